"""Job `publish`: publish again what was stored and never marked as published. Enqueued by the reconciler only.

The worker died, or Redis was away, between commit and publish. The frames are read back from the rows and are byte for
byte those of the first time.
"""

from shared.protocol.jobs import Publish
from shared.store.publishing import frames_of
from workers.deps import Deps
from workers.outcome import Outcome
from workers.publishing import publish_frames
from workers.settling import write_published


def run(deps: Deps, args: Publish) -> Outcome:
    """Publish those of `ids` that still lack it."""
    with deps.database.session() as session:
        frames = frames_of(session, args.ids)
    publish_frames(deps, frames)
    # Marked although no frame may have come of it: its receivers were erased, and there is nothing to send.
    return Outcome.DONE if write_published(deps, args.ids, rescue=True) else Outcome.NOTHING
