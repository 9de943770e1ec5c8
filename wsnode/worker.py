"""The gunicorn worker that is a node: one process, one event loop, its sockets outside of gunicorn's hands.

Rule A. gunicorn's own graceful stop sees only requests, so going away politely is ours: at SIGTERM the node drains
while gunicorn stops to accept, and the process ends when both are done.
"""

import gc
import resource
from typing import Any, Final

import gevent
from geventwebsocket.gunicorn.workers import GeventWebSocketWorker

LOOK_EVERY: Final = 0.05
_RARELY: Final = (50_000, 20, 100)


class NodeWorker(GeventWebSocketWorker):  # type: ignore[misc]  # the library has no types
    """Runs `wsnode.app:app` with the node behind it."""

    def init_process(self) -> None:
        """Allow as many sockets as the system does, then start as usual."""
        if self.cfg.is_ssl:
            raise RuntimeError("a node does not end TLS itself: put a proxy in front")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application, and with it the handler."""
        super().load_wsgi()
        # Not at the top: gunicorn's master loads this file before gevent has replaced sockets and TLS.
        from wsnode.handler import NodeHandler

        self.wsgi_handler = NodeHandler

    def run(self) -> None:
        """Serve until told to stop, then drain; gunicorn's part and ours at the same time."""
        node: Any = self.wsgi.door
        node.start()
        # Nothing on the path makes cycles: what exists now stays, and looking for garbage may be rare.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_RARELY)
        draining = gevent.spawn(self._drain_when_told, node)
        super().run()
        draining.join()

    def _drain_when_told(self, node: Any) -> None:
        while self.alive:
            gevent.sleep(LOOK_EVERY)
        node.drain()
