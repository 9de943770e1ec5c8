"""Time of the model: it passes when the machine says so."""

START_MS = 1_790_000_000_000


class ModelClock:
    """A clock for nodes, workers and clients alike."""

    def __init__(self) -> None:
        self._ms = START_MS

    def now_ms(self) -> int:
        return self._ms

    def monotonic(self) -> float:
        return (self._ms - START_MS) / 1000

    def pass_by(self, seconds: float) -> None:
        self._ms += round(seconds * 1000)
