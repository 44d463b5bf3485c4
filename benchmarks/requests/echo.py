"""A bare Starlette echo on uvicorn: what the same loop, parser and framework make of a request that means nothing."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def echo(request: Request) -> Response:
    """Answer the body."""
    return Response(await request.body(), 201, media_type="application/json")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/messages", echo, methods=["POST"])])
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        lifespan="off",
        log_level="warning",
    )
