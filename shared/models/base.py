"""Names of constraints and indexes, fixed so that migrations can refer to them on every database."""

from sqlmodel import SQLModel

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(SQLModel):
    """Base of all tables."""


metadata = SQLModel.metadata
metadata.naming_convention = NAMING
