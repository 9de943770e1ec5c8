"""From rows to the frames that are published, the same bytes each time.

Bodies stand in the order of their ids and items by user and seq, whichever transaction reads them: so the frames that
are read back after a crash are those that were lost.
"""

from dataclasses import dataclass, field, replace

from shared.protocol.envelope import AppFrames, Body, Broadcast, Item, Place, Record
from shared.protocol.frames import fragment, replacing
from shared.store.apps import AppRow


def body(  # noqa: PLR0913  # the fields of the frame
    *, id: str, request_id: str, event: str, data: str, sent_at: int, expires_at: int, sender: str
) -> Body:
    """What all receivers of a notification share; instants are epoch milliseconds."""
    text = fragment(
        id=id, event=event, data_json=data, sent_at_ms=sent_at, expires_at_ms=expires_at, sender=sender
    )
    return Body(id, request_id, text, expires_at)


def replaced_by(body: Body, older: str | None) -> Body:
    """The body for those of whom it takes the place of the notification `older`."""
    return body if older is None else replace(body, fragment=replacing(body.fragment, older))


@dataclass(slots=True)
class _OfApp:
    app: AppRow
    bodies: dict[str, Body] = field(default_factory=dict)
    items: list[tuple[int, int, str, str]] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    broadcasts: list[Broadcast] = field(default_factory=list)
    gone: list[Place] = field(default_factory=list)

    def build(self) -> AppFrames:
        used = {key for *_, key in self.items}
        order = {key: number for number, key in enumerate(sorted(used))}
        return AppFrames(
            app=self.app.name,
            epoch=self.app.epoch,
            bodies=[self.bodies[key] for key in order],
            items=[Item(name, seq, seq - 1, order[key]) for _, seq, name, key in sorted(self.items)],
            records=dict(sorted(self.records.items())),
            broadcasts=sorted(self.broadcasts, key=lambda one: one.seq),
            gone=sorted(self.gone),
        )


class FrameSet:
    """Collects what one transaction made, app by app."""

    def __init__(self) -> None:
        self._apps: dict[int, _OfApp] = {}

    def add_body(self, app: AppRow, body: Body, variant: str = "") -> str:
        """The part of a notification that its items share; the key by which they refer to it. Where not all of its
        receivers get the same bytes, each `variant` is a body of its own."""
        key = body.id + variant
        self._of(app).bodies[key] = body
        return key

    def add_item(self, app: AppRow, user: tuple[int, str], seq: int, key: str) -> None:
        """One frame of one user's stream; a stream has no gaps, so `prev` is the number before."""
        self._of(app).items.append((user[0], seq, user[1], key))

    def add_record(self, app: AppRow, record: Record) -> None:
        """The user's stream after the transaction."""
        self._of(app).records[record.user] = record

    def add_gone(self, app: AppRow, user: str, seq: int) -> None:
        """A place of a user's stream whose notification was replaced."""
        self._of(app).gone.append(Place(user, seq))

    def add_broadcast(self, app: AppRow, broadcast: Broadcast) -> None:
        """One frame of the stream of everyone."""
        self._of(app).broadcasts.append(broadcast)

    def build(self) -> list[AppFrames]:
        """All of it, apps by name."""
        return [one.build() for one in sorted(self._apps.values(), key=lambda one: one.app.name)]

    def _of(self, app: AppRow) -> _OfApp:
        return self._apps.setdefault(app.id, _OfApp(app))
