"""`trunkline serve`: runs the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkline import config


def serve(
    *,
    data: Annotated[str | None, typer.Option(help="The data folder.", show_default="data")] = None,
    ephemeral: Annotated[
        bool | None,
        typer.Option("--ephemeral", help="Keep everything in a temporary folder that goes when the server stops."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen at.", show_default="127.0.0.1")] = None,
    http_port: Annotated[int | None, typer.Option(help="0 picks a free one.", show_default="8080")] = None,
    https_port: Annotated[int | None, typer.Option(help="0 picks a free one.", show_default="8443")] = None,
    public_url: Annotated[str | None, typer.Option(help="The https address that clients use.")] = None,
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(help="An address or network whose X-Forwarded headers are believed; repeatable.")
    ] = None,
    demo: Annotated[bool, typer.Option(help="Send believable traffic, in an account of its own.")] = False,
    config_file: Annotated[Path | None, typer.Option("--config", help="A file of settings (TOML).")] = None,
    log_format: Annotated[str | None, typer.Option(help="text or json.", show_default="text")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.", show_default="info")] = None,
) -> None:
    """Run the server until it is interrupted. Every setting stands in docs/operations.md."""
    settings = config.load(
        config_file,
        data=data,
        ephemeral=ephemeral,
        host=host,
        http_port=http_port,
        https_port=https_port,
        public_url=public_url,
        trusted_proxies=trusted_proxy or None,
        log_format=log_format,
        log_level=log_level,
    )
    from trunkline.cli.running import run  # noqa: PLC0415 - only this command loads the house

    run(settings, demo=demo)
