"""What becomes of a delivery: one order of reasons, whatever comes together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.caps import Judged, Verdict
from shared.domain.delivery import State
from shared.domain.fate import GO, decide

NOW = 1_000_000
JUDGED = {
    None: None,
    "go": Judged(Verdict.GO),
    "drop": Judged(Verdict.DROP, cap_id="c"),
    "hold": Judged(Verdict.HOLD, NOW + 5000, "c"),
}


def fate(*, cancelled=False, expired=False, local=None, cap=None):
    asked = []

    def capped():
        asked.append(1)
        return JUDGED[cap]

    found = decide(
        now_ms=NOW,
        expired=expired,
        cancelled=cancelled,
        local_ms=local,
        capped=None if cap is None else capped,
    )
    return found, len(asked)


@pytest.mark.parametrize(
    ("asked", "state", "reason", "until"),
    [
        ({}, "pending", None, None),
        ({"cap": "go"}, "pending", None, None),
        ({"cap": "drop"}, "skipped", "frequency_cap:c", None),
        ({"cap": "hold"}, "held", "frequency_cap:c", NOW + 5000),
        ({"local": NOW}, "pending", None, None),
        ({"local": NOW + 1}, "held", "local_time", NOW + 1),
        ({"local": NOW + 1, "cap": "drop"}, "held", "local_time", NOW + 1),
        ({"expired": True, "local": NOW + 1, "cap": "hold"}, "expired", None, None),
        (
            {"cancelled": True, "expired": True, "local": NOW + 1, "cap": "drop"},
            "cancelled",
            "cancelled",
            None,
        ),
    ],
)
def test_the_first_reason_wins(asked, state, reason, until):
    assert fate(**asked)[0] == (State(state), reason, until)


@given(
    st.booleans(), st.booleans(), st.none() | st.integers(NOW - 10, NOW + 10), st.sampled_from(list(JUDGED))
)
def test_an_allowance_is_taken_from_only_by_what_would_go_else(cancelled, expired, local, cap):
    found, asked = fate(cancelled=cancelled, expired=expired, local=local, cap=cap)
    without, _ = fate(cancelled=cancelled, expired=expired, local=local)

    assert asked == (cap is not None and without == GO)
    if without != GO:
        assert found == without
