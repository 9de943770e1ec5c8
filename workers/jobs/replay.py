"""Job `replay`: read the database for one connection that was away longer than the tail reaches."""

from shared import logs
from shared.protocol.envelope import ReplayPart, encode_replay
from shared.protocol.jobs import Replay
from shared.store.replay import read_frames
from workers.deps import Deps
from workers.outcome import Outcome
from workers.parts import cut

log = logs.get(__name__)


def run(deps: Deps, args: Replay) -> Outcome:
    """Send the frames in envelopes, the last one marked. A node that does not listen is not sent the rest."""
    with deps.database.session() as session:
        found = read_frames(
            session,
            args.app,
            args.user,
            args.me,
            args.all,
            limit=deps.settings.replay_frames,
            now_ms=deps.clock.now_ms(),
        )
    parts = list(cut(found.me, found.all))
    for number, part in enumerate(parts, start=1):
        envelope = ReplayPart(
            connection=args.connection,
            attempt=args.attempt,
            last=number == len(parts),
            me=found.me_top,
            all=found.all_top,
            recovered=found.complete,
            me_frames=part.me,
            all_frames=part.all,
            epoch=found.epoch,
            me_since=found.me_since,
            all_since=found.all_since,
        )
        if not deps.bus.to_node(args.node, encode_replay(envelope)):
            log.warning("replay_found_node_deaf", node=args.node, user=args.user)
            return Outcome.NOTHING
    log.info(
        "replayed",
        app=args.app,
        user=args.user,
        frames=len(found.me) + len(found.all),
        recovered=found.complete,
    )
    return Outcome.DONE
