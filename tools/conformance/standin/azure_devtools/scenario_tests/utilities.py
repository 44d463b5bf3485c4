"""What older suites import from here by name."""

# The type checker takes this folder for a part of `tools`; when the suites run it is on the path itself.
from devtools_testutils import trim_kwargs_from_test_function  # type: ignore[import-not-found]

__all__ = ["trim_kwargs_from_test_function"]
