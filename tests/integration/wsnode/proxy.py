"""A TCP relay in front of Redis that can make one kind of connection deaf without closing it."""

import socket
import threading


class Proxy:
    """Relays to `port`; while `deaf`, what Redis sends to connections that subscribed goes nowhere."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.deaf: set[socket.socket] = set()
        self._subscribers: list[socket.socket] = []
        self.subscriptions = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def deafen(self) -> None:
        """From now on the present subscribers hear nothing."""
        self.deaf.update(self._subscribers)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            redis = socket.create_connection(self._target)
            threading.Thread(target=self._to_redis, args=(client, redis), daemon=True).start()
            threading.Thread(target=self._to_client, args=(client, redis), daemon=True).start()

    def _to_redis(self, client: socket.socket, redis: socket.socket) -> None:
        try:
            while data := client.recv(65536):
                if b"SUBSCRIBE" in data:
                    self.subscriptions += 1
                    self._subscribers.append(client)
                redis.sendall(data)
        except OSError:
            pass
        finally:
            redis.close()

    def _to_client(self, client: socket.socket, redis: socket.socket) -> None:
        try:
            while data := redis.recv(65536):
                if client not in self.deaf:
                    client.sendall(data)
        except OSError:
            pass
        finally:
            client.close()
