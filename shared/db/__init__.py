"""The database as the store sees it: `Database`, and what it raises."""

from shared.db.database import ATTEMPTS, Database, DatabaseUnavailable, RunAgain
from shared.db.engine import BUSY_SECONDS, PATIENCE_SECONDS

__all__ = ["ATTEMPTS", "BUSY_SECONDS", "PATIENCE_SECONDS", "Database", "DatabaseUnavailable", "RunAgain"]
