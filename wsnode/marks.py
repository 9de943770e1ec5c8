"""read, seen and archive from sockets: a job each, answered after the commit or by a retryable error.

Rule S. The worker's `reply` envelope finds its connection by name and its frame by `ref`.
"""

from functools import partial
from typing import Final

from shared.protocol.jobs import Mark as MarkJob
from wsnode import messages
from wsnode.deadlines import Deadlines
from wsnode.jobs import Jobs
from wsnode.loops import safely
from wsnode.messages import Mark, Refused, Waiting
from wsnode.ports import Peer

REPLY_WAIT: Final = 5.0
"""Seconds until a frame without a reply gets a retryable error instead."""

RETRY_AFTER: Final = 1.0


class Marks:
    """Asks workers, and watches that each client hears something in time."""

    def __init__(self, node: str, jobs: Jobs) -> None:
        self._node = node
        self._jobs = jobs
        self._waiting: Deadlines[tuple[Peer, Waiting]] = Deadlines(REPLY_WAIT)

    def ask(self, peer: Peer, mark: Mark, asked: Waiting, now: float) -> None:
        """Enqueue the job; `asked` is what waits for the reply, `now` is monotonic."""
        self._waiting.add((peer, asked), now)
        job = MarkJob(
            app=peer.app,
            user=peer.user,
            action=mark.action,
            ids=mark.ids,
            node=self._node,
            connection=peer.name,
            ref=mark.ref,
        )
        self._jobs.put(job, lambda: _refuse(peer, asked, "unavailable", "The job queue does not answer."))

    def sweep(self, now: float) -> None:
        """Tell those who waited in vain."""
        for peer, asked in self._waiting.take(now):
            _refuse(peer, asked, "timeout", "No answer in time; it may still be done.")


def _refuse(peer: Peer, asked: Waiting, code: str, message: str) -> None:
    refused = Refused(code, message, asked.ref)
    doc = messages.error(refused, retryable=True, retry_after=RETRY_AFTER)
    safely(peer, partial(peer.reply, asked.ref, doc, of=asked))
