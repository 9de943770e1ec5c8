"""A TCP relay between a process and Redis or a database, with the faults of a network."""

import socket
import threading
from contextlib import suppress


class Relay:
    """A way to a server that can be cut, made silent, and mended.

    `silent`: every connection stays open and nothing gets through it any more, as behind a network that lost its way;
    cleared, new connections work and those of before stay dead.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cut = False
        self.silent = threading.Event()
        self._generation = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def break_off(self) -> None:
        self.cut = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def mend(self) -> None:
        self.cut = False
        self.silent.clear()

    def deafen(self) -> None:
        """Let nothing more through the connections of now, as where a network forgot them; new ones work."""
        self._generation += 1

    def close(self) -> None:
        self._listener.close()
        self.break_off()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                generation = self._generation
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, sink, generation), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, generation: int) -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                if self.silent.is_set() or generation < self._generation:
                    return  # both ends stay open and hear nothing
                sink.sendall(chunk)
