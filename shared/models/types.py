"""Column types that mean the same on PostgreSQL, MariaDB and SQLite.

They exist because the databases disagree on instants, ids and long texts, and a difference that is not levelled here
shows up as a bug on one of them only.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import CHAR, BigInteger, DateTime, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit key; SQLite numbers rows by itself only under the word INTEGER."""

JsonText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
"""JSON as the text that orjson wrote, so that it can be spliced into a frame unread; MariaDB's TEXT ends at 64 KiB."""

TopicText = String(255).with_variant(String(255, collation="C"), "postgresql")
"""A topic or a pattern. Compared by bytes, as the other databases do by themselves: what lies below a topic is then one
range of an index."""

NameText = String(64).with_variant(String(64, collation="C"), "postgresql")
"""A short name of the sender's, listed in the order of its bytes on every database."""

TABLE_OPTIONS = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    # `nopad`: user names "a" and "a " are two; `bin`: so are "a" and "A".
    "mysql_collate": "utf8mb4_nopad_bin",
}


class UuidText(TypeDecorator[str]):
    """A UUID that is text with dashes in Python: native on PostgreSQL, 36 ASCII characters elsewhere."""

    impl = CHAR(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID(as_uuid=False))
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.CHAR(36, charset="ascii", collation="ascii_bin"))
        return dialect.type_descriptor(CHAR(36))


class AsciiText(TypeDecorator[str]):
    """A fixed-length code (hash, epoch, key id): bytes are compared, one byte a character."""

    impl = CHAR
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.CHAR(self.length, charset="ascii", collation="ascii_bin"))
        return dialect.type_descriptor(CHAR(self.length))


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds; a naive one is refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Databases without a zone get UTC without one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a zone does not go into the database")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- SQLAlchemy calls it so
        """What comes back is in UTC and says so."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
