"""api_keys: what lets a backend in. Only the digest of a secret is here, so the table gives nobody a key."""

from datetime import datetime
from typing import ClassVar

from sqlmodel import Field

from shared.models.base import Base
from shared.models.types import TABLE_OPTIONS, AsciiText, JsonText, UtcDateTime


class ApiKey(Base, table=True):
    """A key of one app. `scopes` is a JSON list of names."""

    __tablename__ = "api_keys"
    __table_args__: ClassVar = (TABLE_OPTIONS,)

    id: str = Field(primary_key=True, sa_type=AsciiText(8))
    app_id: int = Field(foreign_key="apps.id", index=True)
    name: str = Field(max_length=100)
    hash: str = Field(sa_type=AsciiText(64))
    scopes: str = Field(sa_type=JsonText)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
