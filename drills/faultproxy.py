"""A TCP proxy on the loopback that harms what goes through it.

    with FaultProxy(target_port) as proxy:
        proxy.hole()          # packets vanish: nothing arrives, nothing is closed
        proxy.heal()          # and are sent again, as TCP does

One thread with an event loop of its own; every method may be called from any thread and has taken effect on return.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self

HOST = "127.0.0.1"
CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST instead of FIN."""


class _Link:
    """One connection through the proxy: two sockets and what is wrong with it."""

    def __init__(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.near, self.far = near, far
        self.dead = False
        """Half-open: the other side is gone and nobody said so."""
        self.carried = 0

    def reset(self) -> None:
        """Close both ends with RST."""
        for _, writer in (self.near, self.far):
            sock = writer.get_extra_info("socket")
            with suppress(OSError, AttributeError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class FaultProxy:
    """Listens on a free port and passes everything on to `target_port`, until it is told otherwise."""

    def __init__(self, target_port: int = 0) -> None:
        self._target = target_port
        self._delay = 0.0
        self._cut_after: int | None = None
        self._refuse = False
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._open, self._server = self._await(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def aim(self, target_port: int) -> None:
        """Pass new connections on to another port."""
        self._target = target_port

    def delay(self, seconds: float) -> None:
        """Hold every piece back for so long, both ways."""
        self._delay = seconds

    def hole(self) -> None:
        """Swallow everything, of new connections too, until `heal`; then it arrives after all."""
        self._do(self._open.clear)

    def half_open(self) -> int:
        """Let the connections of now be dead without a word; later ones live. Tells how many that were."""
        return int(self._await(self._kill_silently()))

    def reset(self, chance: random.Random | None = None, *, share: float = 1.0) -> int:
        """Cut the connections of now, or a share of them by `chance`, with RST; tells how many that were."""
        return int(self._await(self._reset(chance, share)))

    def cut_after(self, count: int | None) -> None:
        """Cut each connection with RST after so many bytes, both ways together; None ends that."""
        self._cut_after = count

    def refuse(self, *, on: bool = True) -> None:
        """Reset new connections at once."""
        self._refuse = on

    def heal(self) -> None:
        """Be an honest proxy again; what is dead stays dead."""
        self._delay, self._cut_after, self._refuse = 0.0, None, False
        self._do(self._open.set)

    def connections(self) -> int:
        """How many connections go through and are not dead."""
        return sum(not link.dead for link in list(self._links))

    def close(self) -> None:
        """End everything."""
        if self._thread.is_alive():
            self._await(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    # On the loop

    def _await(self, doing: Coroutine[Any, Any, Any]) -> Any:
        found: Future[Any] = asyncio.run_coroutine_threadsafe(doing, self._loop)
        return found.result(30)

    def _do(self, what: Callable[[], None]) -> None:
        async def run() -> None:
            what()

        self._await(run())

    async def _listen(self) -> tuple[asyncio.Event, asyncio.Server]:
        opened = asyncio.Event()
        opened.set()
        return opened, await asyncio.start_server(self._serve, HOST, 0, backlog=1024)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            await self._open.wait()
            if self._refuse:
                raise ConnectionError
            far = await asyncio.open_connection(HOST, self._target)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        finally:
            self._tasks.discard(task) if task is not None else None
        link = _Link((reader, writer), far)
        self._links.add(link)
        pumps = (
            self._pump(link, link.near[0], link.far[1]),
            self._pump(link, link.far[0], link.near[1]),
        )
        for pump in pumps:
            running = self._loop.create_task(pump)
            self._tasks.add(running)
            running.add_done_callback(self._tasks.discard)

    async def _pump(self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                await self._open.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                if link.dead:
                    return
                link.carried += len(data)
                if self._cut_after is not None and link.carried > self._cut_after:
                    link.reset()
                    break
                sink.write(data)
                await sink.drain()
        await self._open.wait()
        if not link.dead:
            # The end of one way ends both: Redis and its clients never close only half.
            self._links.discard(link)
            for _, writer in (link.near, link.far):
                writer.close()

    async def _kill_silently(self) -> int:
        found = [link for link in self._links if not link.dead]
        for link in found:
            link.dead = True
        return len(found)

    async def _reset(self, chance: random.Random | None, share: float) -> int:
        found = [link for link in self._links if chance is None or chance.random() < share]
        self._links.difference_update(found)
        for link in found:
            link.reset()
        return len(found)

    async def _shut(self) -> None:
        self._server.close()
        await self._reset(None, 1.0)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
