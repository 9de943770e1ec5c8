"""Publish what is committed, then write down that it was. Hop 6 of 9; used by deliver, page and publish.

Between commit and `published_at` nothing is promised to have been sent, so all of it may be sent again: the frames are
the same bytes, and clients drop a `seq` they have.
"""

from collections.abc import Sequence

from shared import logs, metrics
from shared.protocol.envelope import AppFrames
from shared.store.pages import StoredPage, page_frames
from shared.store.rows import chunks
from workers.deps import Deps

log = logs.get(__name__)

USERS_MAX = 1000
"""Receivers of one publish: it bounds the time that Redis runs one script."""


def publish_frames(deps: Deps, frames: Sequence[AppFrames]) -> None:
    """Send the frames of each app. Raises RedisUnavailable; what was not sent then is found by the reconciler."""
    for one in frames:
        told = deps.publisher.publish(one)
        metrics.published_total.labels(stream="me").inc(len(one.items))
        metrics.published_total.labels(stream="all").inc(len(one.broadcasts))
        # Who resumes from the tail is not shown first what was replaced. Lost, it costs only that.
        deps.retractor.blank(one.app, one.epoch, [(place.user, place.seq) for place in one.gone])
        if told.deaf:
            # Its lease is gone now: the node notices, registers its users again and asks for what it missed.
            log.warning("nodes_found_deaf", app=one.app, nodes=told.deaf)


def publish_page(deps: Deps, page: StoredPage) -> None:
    """Send the frames of a committed page to those of its users who may be listening.

    Who that is must be asked after the commit: whoever comes after the question has no record in Redis, so that the
    database is read for them, and finds the rows there. Raises RedisUnavailable and errors of the database.
    """
    if page.frames is not None:
        publish_frames(deps, [page.frames])
        return
    for names in chunks(deps.streams.warm(page.app.name, page.names), USERS_MAX):
        with deps.database.session() as session:
            frames = page_frames(session, page, names)
        publish_frames(deps, [frames])
