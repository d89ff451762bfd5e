"""A server for lines of numbers. Tests save this with another number for 1."""

import asyncio
import json
from collections import Counter

sessions = Counter[str]()
is_done = asyncio.Event()


async def answer(session: str, number: int) -> list[object]:
    start = 1
    sessions.update([session])
    await asyncio.sleep(0.01)  # a reload comes in between
    return [number, start, 1, sessions[session]]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        request = json.loads(line)
        if request == "end":
            is_done.set()
            break
        writer.write(json.dumps(await answer(*request)).encode() + b"\n")
        await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "localhost", backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await is_done.wait()
    server.close()
    print(json.dumps(sessions), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
