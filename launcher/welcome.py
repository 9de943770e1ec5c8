"""Follow a user with the reference client, send one notification and wait until it arrives.

Run by the launcher as a process of its own once everything is ready: what a new user reads about ("it arrived") went
the whole way, from a POST to a frame on a real socket. Input and output are one JSON object each.
"""

import http.client
import json
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from bellhop_client import Bellhop

SECONDS = 15.0
_ACCEPTED = 202
_BODY = {
    "event": "bellhop.welcome",
    "data": {"message": "Welcome to Bellhop. This notification took the whole way."},
}


class NotArrivedError(Exception):
    """The notification is not there; the message says how far it came."""


def welcome(api: str, socket: str, key: str, token: str, user: str) -> dict[str, Any]:
    """Send to `user` and return the id and how many milliseconds after the POST the frame arrived."""
    online, arrived = threading.Event(), threading.Event()
    seen: dict[str, float] = {}
    last: dict[str, Any] = {}

    def note(frame: dict[str, Any]) -> None:
        seen[frame["id"]] = time.monotonic()
        arrived.set()

    def follow(status: dict[str, Any]) -> None:
        last.update(status)
        if status["status"] == "online":
            online.set()

    client = Bellhop(socket, token)
    client.on("status", follow)
    client.on("notification", note)
    with client:
        if not online.wait(SECONDS):
            raise NotArrivedError(f"no sign-in at {socket} within {SECONDS:g} s: {last}")
        sent = time.monotonic()
        identity = send(api, key, user)
        deadline = sent + SECONDS
        while identity not in seen:
            if not arrived.wait(max(0.0, deadline - time.monotonic())):
                raise NotArrivedError(f"accepted as {identity}, but no frame within {SECONDS:g} s")
            arrived.clear()
    return {"id": identity, "ms": round((seen[identity] - sent) * 1000)}


def send(api: str, key: str, user: str) -> str:
    """POST the notification and return its id."""
    address = urlsplit(api)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=SECONDS)
    try:
        body = json.dumps({"to": {"users": [user]}, **_BODY})
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/notifications", body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != _ACCEPTED:
            raise NotArrivedError(f"the POST was answered {answer.status}: {text}")
        return str(json.loads(text)["id"])
    finally:
        connection.close()


if __name__ == "__main__":
    try:
        print(json.dumps(welcome(**json.load(sys.stdin))))
    except (NotArrivedError, OSError) as error:
        sys.exit(str(error))
