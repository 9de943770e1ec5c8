"""Taking deliveries out of the numbers of their users' inboxes, under the locks of the streams."""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import update
from sqlalchemy.orm import Session

from shared.domain.marks import Weight
from shared.models import tables as t
from shared.store.rows import StreamRow

_S = t.streams.c


def count_out(
    session: Session,
    streams: Mapping[int, StreamRow],
    total: Mapping[int, int],
    weights: Mapping[int, Weight],
) -> list[StreamRow]:
    """Count `total` deliveries of `weights` out of these locked streams; the rows after it, by user id.

    Those with the same change share a statement.
    """
    after = [_without(streams[id], count, weights[id]) for id, count in sorted(total.items())]
    alike: dict[tuple[int, Weight], list[int]] = defaultdict(list)
    for row in after:
        alike[total[row.user_id], weights[row.user_id]].append(row.user_id)
    for (count, weight), ids in alike.items():
        values = {
            "total": _S.total - count,
            "unseen": _S.unseen - weight.unseen,
            "unread": _S.unread - weight.unread,
            "archived": _S.archived - weight.archived,
            "rev": _S.rev + 1,
        }
        session.execute(update(t.streams).where(_S.user_id.in_(ids)).values(values))
    return after


def _without(row: StreamRow, count: int, weight: Weight) -> StreamRow:
    return row._replace(
        total=row.total - count,
        unseen=row.unseen - weight.unseen,
        unread=row.unread - weight.unread,
        archived=row.archived - weight.archived,
        rev=row.rev + 1,
    )
