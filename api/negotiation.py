"""What a caller wants to be answered with, from its `Accept` and `Accept-Encoding`.

Rule P, RFC 9110 sections 12.4.2, 12.5.1 and 12.5.3. Callers send the same few texts again and again, so they are kept.
"""

from collections.abc import Iterator
from functools import lru_cache

JSON = "application/json"


@lru_cache(maxsize=256)
def takes_json(accept: str) -> bool:
    """Whether an answer in JSON is acceptable; the most specific range that fits decides. Empty: anything is."""
    if not accept.strip():
        return True
    weights = dict(_weighted(accept))
    return next((weights[kind] for kind in (JSON, "application/*", "*/*") if kind in weights), 0.0) > 0


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip is, and is not wanted less than the plain answer. Empty: it is not."""
    weights = dict(_weighted(accept_encoding))
    anything = weights.get("*", 0.0)
    gzip = weights.get("gzip", weights.get("x-gzip", anything))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weighted(text: str) -> Iterator[tuple[str, float]]:
    for part in text.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        given = (each.partition("=")[2] for each in parameters if each.replace(" ", "").startswith("q="))
        yield name, _weight(next(given, "1"))


def _weight(text: str) -> float:
    """A weight that is none counts as 1: who cannot say how much wants it at least."""
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    return weight if 0 <= weight <= 1 else 1.0
