"""A service of FastAPI over one memory: `uvicorn examples.async_service:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from memgpt import AsyncMemory


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncMemory("assistant") as memory:
        app.state.memory = memory
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/notes")
async def note(text: str) -> int:
    kept = await app.state.memory.remember(text)
    return int(kept.id)


@app.get("/notes")
async def find(query: str) -> list[str]:
    """A client that goes away ends its search in the database as well."""
    return [hit.text for hit in await app.state.memory.search(query, limit=5)]
