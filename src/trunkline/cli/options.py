"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option("--data", help="The data folder of the running server.", show_default="data")
]
Url = Annotated[str, typer.Option("--url", help="The address of a running server, instead of its data folder.")]
ApiKey = Annotated[
    str,
    typer.Option("--api-key", envvar="TRUNKLINE_API_KEY", help="The API key that goes with --url.", show_envvar=True),
]
Account = Annotated[str, typer.Option("--account", help="The account; the default one unless named.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
