"""A service for the tests of the process: handles slowly, serves HTTP, fails when told to."""

if __name__ == "__main__":
    from plumbline_runtime import early

    early.begin()

import asyncio
import os
from pathlib import Path

from plumbline_runtime.records import Batch
from plumbline_runtime.service import Runtime, run_service
from plumbline_schemas.topics import WEBHOOKS_RECEIVED
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def build(rt: Runtime) -> None:
    class Slow:
        async def handle(self, batch: Batch) -> None:
            rt.log.info("batch_begun", first=batch.records[0].offset)
            await asyncio.sleep(float(os.environ.get("SLOW_SECONDS", "0")))
            async with rt.pool.acquire() as conn, conn.transaction():
                await batch.advance(conn)
            rt.log.info("batch_done", next=batch.end)

    async def ticking() -> None:
        while not rt.stopping.is_set():
            if Path(os.environ.get("FAIL_WHEN", "/nowhere")).exists():
                raise RuntimeError("told to fail")
            await asyncio.sleep(0.02)

    async def farewell() -> None:
        rt.log.info("farewell")
        await asyncio.sleep(float(os.environ.get("FAREWELL_SECONDS", "0")))

    async def hello(_):
        await asyncio.sleep(0.5)
        return PlainTextResponse("hello")

    rt.consume(WEBHOOKS_RECEIVED, group="observe", handler=Slow())
    rt.background("ticking", ticking)
    rt.serve(Starlette(routes=[Route("/", hello)]), "127.0.0.1:0")
    rt.on_stop(farewell)


if __name__ == "__main__":
    raise SystemExit(run_service("slow", build, listens=lambda _: ["127.0.0.1:0"]))
