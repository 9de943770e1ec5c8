"""Job `mark`: read, seen, archive and their opposites, sent over a socket; answered to the connection after the commit.

The node waits 5 s for the answer and then tells the client to try again, which is harmless: a mark may be repeated.
"""

from dataclasses import asdict
from typing import Any

from shared import logs
from shared.errors import AppError, Internal, Unavailable
from shared.protocol.envelope import encode_reply
from shared.protocol.jobs import Mark
from shared.services import inbox
from shared.services.inbox import Marked
from workers.deps import Deps
from workers.failures import is_away
from workers.outcome import Outcome

log = logs.get(__name__)


def run(deps: Deps, args: Mark) -> Outcome:
    """Mark, answer the connection, tell the user's other connections."""
    now_ms = deps.clock.now_ms()
    try:
        done = deps.database.run(
            lambda session: inbox.mark(session, args.app, args.user, args.action, args.ids, now_ms)
        )
    except Exception as error:  # noqa: BLE001 -- whatever it was, somebody waits for an answer
        return _refuse(deps, args, error)
    # The record first: whoever connects from now on is welcomed with these numbers.
    deps.streams.put(args.app, done.epoch, done.app_top, done.record)
    deps.bus.to_node(args.node, encode_reply(args.connection, reply_frame(args.ref, done)))
    if done.changed_ids:
        deps.bus.state(args.app, args.user, state_frame(done), except_connection=args.connection)
    return Outcome.DONE if done.changed_ids else Outcome.NOTHING


def reply_frame(ref: Any, done: Marked) -> dict[str, Any]:
    """What the client that marked is told."""
    result = {"changed": len(done.changed_ids), "counts": asdict(done.counts)}
    return {"type": "reply", "ref": ref, "result": result}


def state_frame(done: Marked) -> dict[str, Any]:
    """What the user's other devices are told."""
    return {
        "type": "state",
        "ids": done.changed_ids,
        **done.fields,
        "counts": asdict(done.counts),
        "rev": done.rev,
    }


def error_frame(ref: Any, error: AppError) -> dict[str, Any]:
    """An error that answers a frame with `ref`."""
    found = {
        "type": "error",
        "ref": ref,
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
    }
    return found if error.retry_after is None else {**found, "retry_after": error.retry_after}


def _refuse(deps: Deps, args: Mark, error: Exception) -> Outcome:
    match error:
        case AppError():
            told, outcome = error, Outcome.AWAY if is_away(error) else Outcome.REJECTED
        case _ if is_away(error):
            told, outcome = Unavailable(retry_after=1), Outcome.AWAY
        case _:
            log.error("mark_failed", app=args.app, user=args.user, action=args.action, exc_info=error)
            told, outcome = Internal(), Outcome.FAILED
    deps.bus.to_node(args.node, encode_reply(args.connection, error_frame(args.ref, told)))
    return outcome
