"""Calling a test with no more keyword arguments than it takes."""

import inspect
from collections.abc import Callable
from typing import Any


def trim_kwargs_from_test_function(function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
    """Drop from `kwargs`, in place, what `function` has no parameter for."""
    # What stands outside counts: a wrapper may take what the function inside it does not.
    parameters = inspect.signature(function, follow_wrapped=False).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in set(kwargs) - set(parameters):
        del kwargs[name]
