"""Everything at random: any process dies, freezes or is restarted, any connection breaks, in an order the seed chooses.

The other drills ask whether a known harm is survived; this one looks for harms nobody thought of, two at a time.
"""

import itertools
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from drills.cases import worker_deaths
from drills.cases.worker_deaths import REDELIVERY_S
from drills.crowd import Crowd
from drills.databases import end_connections
from drills.drill import Control, Drill, Result, Setup
from drills.faultproxy import FaultProxy
from drills.frame import Frame


@dataclass(frozen=True, slots=True)
class Victim:
    """What the harms work on."""

    frame: Frame
    crowd: Crowd
    proxies: Sequence[FaultProxy]
    random: Random
    """Of its own: the sender draws from the frame's, and how often depends on how fast it is answered."""

    def node(self) -> int:
        """One of the nodes."""
        return self.random.randrange(self.frame.system.settings.nodes)

    def between(self, least: float, most: float) -> None:
        """Let the load run on for a time that the seed chooses."""
        self.frame.pause(self.random.uniform(least, most))

    def order(self) -> Iterator[Callable[["Victim"], None]]:
        """Harms without end: each once in an order that the seed chooses, then each once more."""
        while True:
            yield from self.random.sample(HARMS, len(HARMS))


def kill_worker(on: Victim) -> None:
    """The worker dies, with its pool."""
    worker_deaths.kill_worker(on.frame)


def kill_waiting_worker(on: Victim) -> None:
    """The worker dies in the moment in which Redis hands it a message and nobody else has it."""
    on.frame.ready("worker")
    worker_deaths.kill_waiting_worker(on.frame)


def kill_storing_worker(on: Victim) -> None:
    """The worker dies in the middle of a transaction, and its successor in the next."""
    on.frame.ready("worker")
    worker_deaths.kill_storing_worker(on.frame)


def kill_pool(on: Victim) -> None:
    """The children of the pool die."""
    with suppress(ProcessLookupError):
        for pid in on.frame.system.children("worker"):
            os.kill(pid, signal.SIGKILL)


def kill_bulk(on: Victim) -> None:
    """The worker of bulk and maintenance dies."""
    on.frame.system.kill("worker_bulk")


def kill_beat(on: Victim) -> None:
    """Beat dies."""
    on.frame.system.kill("beat")


def kill_node(on: Victim) -> None:
    """A node dies."""
    on.frame.system.kill("node", on.node())


def restart_node(on: Victim) -> None:
    """A node is restarted in order."""
    on.frame.system.restart("node", on.node(), patience=20.0)


def kill_api(on: Victim) -> None:
    """The api dies."""
    on.frame.system.kill("api")


def kill_redis(on: Victim) -> None:
    """Redis dies and is back after a moment."""
    on.frame.redis.kill()
    on.between(0.2, 2.0)
    on.frame.redis.start()


def freeze_redis(on: Victim) -> None:
    """Redis does not answer for a while."""
    with on.frame.redis.frozen():
        on.between(1.0, 6.0)


def cut_redis(on: Victim) -> None:
    """Every connection to Redis is cut, of publishers and of subscribers."""
    with on.frame.redis.client() as client:
        for kind in ("pubsub", "normal"):
            client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


def fill_redis(on: Victim) -> None:
    """Redis refuses every write for a while."""
    with on.frame.redis.client() as client:
        client.config_set("maxmemory", "1mb")
        on.between(1.0, 4.0)
        client.config_set("maxmemory", "0")


def cut_database(on: Victim) -> None:
    """Every connection to the database is cut."""
    end_connections(on.frame.database_url)


def freeze_worker(on: Victim) -> None:
    """The worker stands still, in the middle of whatever it does."""
    with on.frame.frozen("worker"):
        on.between(1.0, 8.0)


def freeze_node(on: Victim) -> None:
    """A node stands still, sometimes longer than its lease."""
    with on.frame.frozen("node", on.node()):
        on.between(1.0, 18.0)


def cut_clients(on: Victim) -> None:
    """Half of the clients lose their connection."""
    for proxy in on.proxies:
        proxy.reset(on.random, share=0.5)


def kill_clients(on: Victim) -> None:
    """All clients die and start again where they were."""
    on.crowd.kill()
    on.crowd.start()


HARMS: tuple[Callable[[Victim], None], ...] = (
    kill_worker,
    kill_waiting_worker,
    kill_storing_worker,
    kill_pool,
    kill_bulk,
    kill_beat,
    kill_node,
    restart_node,
    kill_api,
    kill_redis,
    freeze_redis,
    cut_redis,
    fill_redis,
    cut_database,
    freeze_worker,
    freeze_node,
    cut_clients,
    kill_clients,
)


def chaos(frame: Frame) -> Result:
    """Do harm after harm, often before the last one is overcome."""
    users = frame.people(frame["users"])
    proxies = frame.proxies_before_nodes()
    crowd = frame.watch(users, through=proxies)
    victim = Victim(frame, crowd, proxies, Random(frame.seed))  # noqa: S311  # a repeatable run, no secret
    sender = frame.send(frame.mixed(users), rate=frame["rate"])
    done = []
    for harm in itertools.islice(victim.order(), frame["harms"]):
        victim.between(0.0, frame["rest_s"])
        done.append(harm.__name__)
        # A process that an earlier harm has just ended cannot be harmed once more.
        with frame.harm(harm.__name__), suppress(ProcessLookupError):
            harm(victim)
    frame.system.ready()
    frame.pause(2.0)
    sender.stop()
    frame.settle(frame["settle_s"])
    return frame.result(harms=len(done), order=" ".join(done))


DRILLS = (
    Drill(
        name="chaos",
        title="harms at random, one upon the other",
        run=chaos,
        setup=Setup(env={"BELLHOP_WORKER_CONCURRENCY": "2"}),
        default={"harms": 34, "rest_s": 5.0, "users": 30, "rate": 20.0, "settle_s": REDELIVERY_S},
        quick={"harms": 8, "users": 10},
        full={"harms": 200},
        controls=(
            Control(
                name="no reconciler",
                removes="the reconciler",
                breaks="nothing lost",
                lines="no_reconciler.procfile",
                parameters={"settle_s": 60.0, "harms": len(HARMS)},
            ),
        ),
    ),
)
