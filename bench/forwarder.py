"""What the edge is compared with: a bare ASGI app that only forwards the body to Kafka.

`python -m bench.forwarder BOOTSTRAP TOPIC` on the edge's own server and with its producer's
settings: no path, no signature, no key, no headers, no metrics. It prints its address and serves
until SIGTERM.
"""

import asyncio
import signal
import sys
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer
from plumbline_runtime.servers import HttpServer

_ANSWER = b'{"received":true}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"17")]


def forwarder(producer: Any, topic: str) -> Any:
    """The app."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await producer.send_and_wait(topic, body)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _ANSWER})

    return app


async def _serve(bootstrap: str, topic: str) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=0,
        max_batch_size=1024 * 1024, max_request_size=4 * 1024 * 1024, compression_type="lz4",
    )  # fmt: skip
    await producer.start()
    server = HttpServer(forwarder(producer, topic), "127.0.0.1:0")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    sys.stdout.write(server.address + "\n")
    sys.stdout.flush()
    await server.run()
    await producer.stop()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], sys.argv[2]))
