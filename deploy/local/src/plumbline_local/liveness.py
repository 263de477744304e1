"""One look at a service's liveness endpoint."""

import asyncio

SECONDS = 0.5


async def answers(listen: str) -> bool:
    """Whether `GET /health/live` on `listen` (host:port, loopback) answers 200 soon."""
    host, _, port = listen.rpartition(":")
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                request = (
                    f"GET /health/live HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n"
                )
                writer.write(request.encode())
                status = (await reader.readline()).split()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return len(status) > 1 and status[1] == b"200"
