"""Who comes and leaves, as clients of the older Socket.IO designs hear it; by npm socket.io-client."""

from shared.redis.presence import Presence
from tests.integration.wsnode.client import wait_until


def test_a_client_hears_who_comes_and_who_has_left_and_nothing_of_itself(page, node, backend, user):
    client = page(auth={"token": node.token(user)})
    client.until("connect")
    wait_until(lambda: backend.client.hget(f"stream:main:{user}", "online") == b"1")

    other = node.connect(f"{user} 2")
    other.online()

    (came,) = client.event("user_joined")
    assert (came["user"], came["at"][-1]) == (f"{user} 2", "Z")
    other.socket.close()
    member = f"main {user} 2"
    wait_until(lambda: backend.client.zscore("present:leaving", member) is not None)
    backend.client.zadd("present:leaving", {member: 0})
    Presence(backend.client, everybody=True).sweep()
    (left,) = client.event("user_left")
    assert left["user"] == f"{user} 2"
