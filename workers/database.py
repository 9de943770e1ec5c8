"""Whether the database answers, for those who must decide whose fault an error is."""

from sqlalchemy.exc import SQLAlchemyError

from shared.db import Database


def answers(database: Database) -> bool:
    """One round trip, no exception."""
    try:
        database.ping()
    except SQLAlchemyError:
        return False
    return True
