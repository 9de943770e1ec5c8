"""The model's Redis answers as the real one does: the same calls against both, in an order that chance chooses."""

import contextlib
import random
from collections.abc import Sequence

import pytest
import redis as client_library

from launcher.waiting import wait_for
from shared.redis.acks import Acks
from shared.redis.bus import Bus
from shared.redis.client import connect
from shared.redis.leases import Leases
from shared.redis.publish import Publisher, TailBounds
from shared.redis.streams import Since, Streams
from tests.model.clock import ModelClock
from tests.model.database import APP, Database, Wish
from tests.model.redis import Redis

BOUNDS = TailBounds(frames=3, bytes=1500)
USERS, NODES = ("ana", "ben"), ("n1", "n2")
CALLS = 250


class Real:
    """The adapters, under the names that the model's Redis has for all of them together."""

    def __init__(self, url: str) -> None:
        self.client = connect(url)
        streams, acks = Streams(self.client), Acks(self.client)
        self.publish = Publisher(self.client, BOUNDS).publish
        self.connect, self.disconnect, self.positions = streams.connect, streams.disconnect, streams.positions
        self.tails, self.app_top, self.tops, self.put_many = (
            streams.tails,
            streams.app_top,
            streams.tops,
            streams.put_many,
        )
        self.merge, self.take, self.done = acks.merge, acks.take, acks.done
        self.to_node = Bus(self.client).to_node
        self._leases = Leases(self.client, life=600)
        self._heard: dict[str, client_library.client.PubSub] = {}

    def lease(self, node: str) -> None:
        self._leases.take(node, "127.0.0.1:1")

    def subscribe(self, node: str) -> None:
        self._heard[node] = heard = self.client.pubsub()
        heard.subscribe(f"node:{node}")
        assert heard.get_message(timeout=5)

    def unsubscribe(self, node: str) -> None:
        self._heard.pop(node).close()
        # The server learns of it a moment later; what it published in between would still be heard.
        assert wait_for(lambda: self.client.pubsub_numsub(f"node:{node}")[0][1] == 0, seconds=5)

    def close(self) -> None:
        """What one seed leaves behind must not hear what the next one publishes."""
        for node in list(self._heard):
            self.unsubscribe(node)
        self.client.close()


class Twins:
    """One call at a time, on both; what they answer must be the same."""

    def __init__(self, real: Real, chance: random.Random) -> None:
        self.model, self.real, self.chance = Redis(BOUNDS), real, chance
        self.database = Database(ModelClock())
        self.stored: list[list[str]] = []
        self.listening: set[str] = set()

    def both(self, name: str, *args, **named):
        own, other = (getattr(one, name)(*args, **named) for one in (self.model, self.real))
        assert own == other, f"{name}{args}"
        return own

    def subscription(self) -> None:
        node = self.chance.choice(NODES)
        if node in self.listening:
            self.listening.discard(node)
            self.both("unsubscribe", node)
        else:
            self.listening.add(node)
            self.both("subscribe", node)
            self.both("lease", node)

    def send(self) -> None:
        users = tuple(self.chance.sample(USERS, self.chance.randint(0, 2)))
        self.stored.append(self.database.store([Wish(users, ttl=1e9, size=self.chance.choice([0, 400]))] * 2))
        if self.chance.random() < 0.8:
            self.both("publish", self.database.frames(self.stored[-1]))

    def publish_again(self) -> None:
        if self.stored:
            self.both("publish", self.database.frames(self.chance.choice(self.stored)))

    def connect(self) -> None:
        since = Since(self.database.epoch, self.chance.choice([None, 0, 2]), self.chance.choice([None, 0, 2]))
        user = self.chance.choice(USERS)
        self.both("connect", self.chance.choice(NODES), [(APP, user, self.chance.choice([since, Since()]))])

    def look(self) -> None:
        user, node = self.chance.choice(USERS), self.chance.choice(NODES)
        self.both("positions", node, [(APP, user)])
        self.both("tails", APP, user, me=self.chance.randint(0, 4), all=self.chance.randint(0, 4))
        self.both("app_top", APP)
        self.tops((user,))
        self.both("to_node", node, b"something")

    def disconnect(self) -> None:
        self.both("disconnect", self.chance.choice(NODES), [(APP, self.chance.choice(USERS))])

    def sync(self) -> None:
        """As the job; or as after a mark; or a job that began in an earlier run of Redis."""
        users = self.chance.sample(USERS, self.chance.randint(1, 2))
        records = [self.database.record(user) for user in users]
        runs = self.chance.choice([self.tops(users), ["", ""], ["an earlier one"] * 2])
        own, other = (
            one.put_many(APP, self.database.epoch, len(self.database.all), records, run=run)
            for one, run in zip((self.model, self.real), runs, strict=True)
        )
        assert own == other

    def tops(self, users: Sequence[str]) -> list[str]:
        """Both say the same of the streams; which run each of them is in."""
        own, other = (one.tops(APP, users) for one in (self.model, self.real))
        assert (own.all, own.users) == (other.all, other.users)
        return [own.run, other.run]

    def ack(self) -> None:
        me, everyone = (
            {user: self.chance.randint(0, 6) for user in self.chance.sample(USERS, self.chance.randint(0, 2))}
            for _ in range(2)
        )
        self.both("merge", APP, me, everyone)

    def receipts(self) -> None:
        taken = self.model.take(1000)
        assert sorted(taken, key=str) == sorted(self.real.take(1000), key=str)
        for ack in taken:
            self.database.apply_acks(ack.user, ack.me, ack.all)
        if self.chance.random() < 0.3:
            self.ack()
        self.both("done", taken)

    def epoch(self) -> None:
        if self.chance.random() < 0.2:
            self.database.bump_epoch()


@pytest.mark.parametrize("seed", range(8))
def test_the_models_redis_answers_as_the_real_one(redis_url, seed):
    chance = random.Random(seed)
    twins = Twins(real := Real(redis_url), chance)
    steps = ["send", "send", "publish_again", "connect", "connect", "look", "look", "disconnect", "sync"]
    steps += ["ack", "ack", "receipts", "epoch", "subscription"]
    with contextlib.closing(real):
        for _ in range(CALLS):
            getattr(twins, chance.choice(steps))()
