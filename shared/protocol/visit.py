"""What a node reports of a connection that opened or closed, on its way through Redis into connection_logs."""

from dataclasses import asdict, dataclass, fields

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One connection of one user; instants are epoch milliseconds of the node's clock. The later of two reports of the
    same connection says all that the earlier one said."""

    connection: str
    node: str
    app: str
    user: str
    opened_at: int
    sign_in: str
    dialect: str
    closed_at: int | None = None
    code: int | None = None
    reason: str | None = None
    address: str | None = None

    def encode(self) -> bytes:
        """As JSON; what is None is left out."""
        return orjson.dumps({name: value for name, value in asdict(self).items() if value is not None})


_FIELDS = frozenset(field.name for field in fields(Visit))


def decode(raw: bytes) -> Visit:
    """A report; fields of a newer node are ignored. Raises ValueError or TypeError for what no node wrote."""
    return Visit(**{name: value for name, value in orjson.loads(raw).items() if name in _FIELDS})
