"""Answers to clients that wait until what they sent is published: to their node, and from there to the connection.

Whoever waits does so for 5 s (wsnode.submitting). An answer that comes too late, twice, or to a node that is gone is
nothing; so it is sent as soon as the frames are, and never holds up what follows.
"""

from collections.abc import Sequence
from typing import Any

from shared import logs
from shared.protocol.envelope import encode_reply
from shared.protocol.journal import Entry
from shared.redis.client import RedisUnavailable
from shared.store.rows import StoredGroup
from workers.deps import Deps

log = logs.get(__name__)


def stored(deps: Deps, entries: Sequence[Entry], group: StoredGroup) -> None:
    """The group is stored and published, but for its pages."""
    waiting = [entry for entry in entries if entry.reply_to is not None]
    if not waiting:
        return
    done, paged = {*group.stored_ids, *group.already}, {page.notification_id for page in group.pages}
    for entry in waiting:
        if entry.reply_to is None or entry.id not in done:
            continue
        if entry.id in paged:
            _keep(deps, entry.id, entry.reply_to)
        else:
            _say(deps, entry.id, entry.reply_to, _sent(entry.id))


def last_page(deps: Deps, id: str) -> None:
    """All pages of a big audience are published."""
    try:
        asked = deps.bus.take_reply(id)
    except RedisUnavailable as error:
        log.warning("reply_not_sent", id=id, error=error.message)
        return
    if asked is not None:
        _say(deps, id, asked, _sent(id))


def failed(deps: Deps, entry: Entry) -> None:
    """It ended as a dead letter."""
    if entry.reply_to is not None:
        error = {"code": "failed", "message": "It could not be stored.", "retryable": False}
        _say(deps, entry.id, entry.reply_to, {"type": "error", **error})


def _sent(id: str) -> dict[str, Any]:
    return {"type": "reply", "result": {"id": id, "status": "sent"}}


def _keep(deps: Deps, id: str, asked: tuple[str, str | int]) -> None:
    try:
        deps.bus.keep_reply(id, *asked)
    except RedisUnavailable as error:
        log.warning("reply_not_kept", id=id, error=error.message)


def _say(deps: Deps, id: str, asked: tuple[str, str | int], doc: dict[str, Any]) -> None:
    connection, ref = asked
    try:
        deps.bus.to_node(connection.rpartition(".")[0], encode_reply(connection, {**doc, "ref": ref}))
    except RedisUnavailable as error:
        log.warning("reply_not_sent", id=id, error=error.message)
