"""A Socket.IO client that polls, on bare HTTP, so that tests see and send every packet."""

import http.client
import json
from collections import deque
from typing import Any

SEPARATOR = "\x1e"


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def packets(self) -> list[str]:
        return self.body.decode().split(SEPARATOR)


class Poller:
    """One session. Each request has a connection of its own, as most clients' have."""

    def __init__(self, port: int, query: str = "", headers: dict[str, str] | None = None) -> None:
        self.port, self.headers = port, headers or {}
        self._kept: deque[str] = deque()
        self.opened = request(port, "GET", f"EIO=4&transport=polling{query}", headers=self.headers)
        self.opening = json.loads(self.opened.packets[0][1:]) if self.opened.status == 200 else {}
        self.sid = self.opening.get("sid", "")

    def poll(self, timeout: float = 10) -> Answer:
        return request(self.port, "GET", self.query, headers=self.headers, timeout=timeout)

    def post(self, *packets: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        data = SEPARATOR.join(packets).encode() if body is None else body
        return request(self.port, "POST", self.query, data, headers=self.headers | (headers or {}))

    def join(self, **auth: Any) -> str:
        """CONNECT; what came of it."""
        assert self.post("40" + json.dumps(auth)).status == 200
        return self.wait("40", "44")

    def wait(self, *starts: str) -> str:
        """Poll until a packet that begins so comes; pings are answered, what comes after it is kept."""
        while True:
            while self._kept:
                packet = self._kept.popleft()
                if packet == "2":
                    self.post("3")
                if packet.startswith(starts):
                    return packet
            self._kept += self.poll().packets

    def ended(self) -> bool:
        """Whether the node knows this session no more."""
        answer = self.post("3")
        return answer.status == 400 and answer.json["code"] == 1

    @property
    def query(self) -> str:
        """The query of every request of the session."""
        return f"EIO=4&transport=polling&sid={self.sid}"


def request(
    port: int,
    method: str,
    query: str,
    body: bytes | None = None,
    *,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, f"/socket.io/?{query}", body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()
