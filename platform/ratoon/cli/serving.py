"""`ratoon serve`."""

from typing import Annotated

import typer

from ratoon import config


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes that answer; one for each core.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Let others reach it without API keys or TLS.")] = False,
) -> None:
    """Answer `who should see what` over REST, on the last good release."""
    from ratoon.serving import serve_home

    settings = config.load()
    wanted = settings.serving
    code = serve_home(
        settings,
        host or wanted.host,
        wanted.port if port is None else port,
        workers or wanted.workers,
        insecure=insecure,
    )
    raise typer.Exit(code)
