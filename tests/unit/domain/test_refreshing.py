"""What presenting a refresh token means, in every case."""

from dataclasses import replace

import pytest

from shared.domain.refreshing import REPEAT_MS, Meaning, Presented, judge

NOW, DAY = 1_790_000_000_000, 86_400_000
FRESH = Presented(
    used_at=None, newest=False, client="here", last_used_at=NOW - DAY, expires_at=NOW + DAY, revoked=False,
    disabled=False,
)  # fmt: skip
USED = replace(FRESH, used_at=NOW, newest=True, last_used_at=NOW)


@pytest.mark.parametrize(
    ("found", "client", "at", "meaning"),
    [
        (FRESH, "here", NOW, Meaning.ROTATE),
        (FRESH, "elsewhere", NOW, Meaning.ROTATE),
        (FRESH, "here", NOW + 6 * DAY, Meaning.OVER),
        (FRESH, "here", NOW + DAY - 1, Meaning.ROTATE),
        (FRESH, "here", NOW + DAY, Meaning.OVER),
        (replace(FRESH, expires_at=NOW + 90 * DAY), "here", NOW + 6 * DAY - 1, Meaning.ROTATE),
        (replace(FRESH, expires_at=NOW + 90 * DAY), "here", NOW + 6 * DAY, Meaning.OVER),
        (replace(FRESH, revoked=True), "here", NOW, Meaning.OVER),
        (replace(FRESH, disabled=True), "here", NOW, Meaning.OVER),
        (USED, "here", NOW, Meaning.REPEAT),
        (USED, "here", NOW + REPEAT_MS, Meaning.REPEAT),
        (USED, "here", NOW + REPEAT_MS + 1, Meaning.STOLEN),
        (USED, "elsewhere", NOW, Meaning.STOLEN),
        (replace(USED, newest=False), "here", NOW, Meaning.STOLEN),
        (replace(USED, revoked=True), "here", NOW, Meaning.OVER),
    ],
)
def test_a_token_means_what_its_past_says(found: Presented, client: str, at: int, meaning: Meaning) -> None:
    assert judge(found, client=client, now_ms=at, idle_ms=7 * DAY) is meaning
