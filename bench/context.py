"""What every benchmark is given: how long it may take and the servers of the run."""

from dataclasses import dataclass

from bench.services import Valkey


@dataclass(frozen=True, slots=True)
class Context:
    """One run of the benchmarks."""

    quick: bool
    valkey: Valkey
    postgres: bool
    """Whether there is a PostgreSQL; otherwise SQLite, and what needs PostgreSQL is left out."""

    @property
    def windows(self) -> int:
        """How many windows a median is taken of."""
        return 3 if self.quick else 5

    @property
    def database_kind(self) -> str:
        """For the parameters."""
        return "postgresql" if self.postgres else "sqlite"
