"""The floor of `ratoon bench serve`: a FastAPI route that reads a request and answers a hundred rows as bytes it has ready.

api_floor.py PORT
"""

import json
import sys

import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel

ROWS = 100


class Request(BaseModel):
    """What is read of a request."""

    user_id: str
    k: int = ROWS


app = FastAPI()
ROWS_READY = [{"item_id": f"i{7919 * row}", "score": 0.9 - row / 1000} for row in range(ROWS)]
ANSWER = json.dumps({"candidates": ROWS_READY}, separators=(",", ":")).encode()


@app.post("/v1/retrieve")
async def retrieve(body: Request) -> Response:  # noqa: ARG001  # FastAPI reads and checks it
    """Answer what is ready."""
    return Response(ANSWER, media_type="application/json")


@app.get("/readyz")
async def readyz() -> Response:
    """Answer that it answers."""
    return Response(b"ready")


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False)
