"""Frequency caps: what one user gets at most, what is dropped, and what waits for how long."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.caps import Action, Cap, Verdict, check_id, dump, judge, make, parse

NOW = 1_790_000_000_000
FOREVER = NOW + 10**9


def cap(
    limit: int, per_s: int, action: Action = Action.DROP, *, event: str | None = None, id: str = "c"
) -> Cap:
    return make(id, event, limit, per_s, action)


class Person:
    """One user: what was taken so far, and when each event goes out."""

    def __init__(self, *caps: Cap) -> None:
        self.caps = caps
        self.allowances: dict[str, int] = {}
        self.out: list[tuple[int, str]] = []

    def send(self, at_ms: int, event: str = "e", *, expires_at: int = FOREVER) -> tuple[Verdict, int | None]:
        judged = judge(self.caps, self.allowances, event=event, now_ms=at_ms, expires_at_ms=expires_at)
        self.allowances |= judged.allowances
        if judged.verdict is not Verdict.DROP:
            self.out.append((judged.until_ms or at_ms, event))
        return judged.verdict, judged.until_ms


def test_without_a_cap_that_matches_all_goes() -> None:
    person = Person(cap(1, 60, event="other"))
    assert [person.send(NOW) for _ in range(3)] == [(Verdict.GO, None)] * 3
    assert person.allowances == {}


def test_a_cap_that_drops_lets_the_limit_through_and_again_after_a_while() -> None:
    person = Person(cap(2, 60))
    assert [person.send(NOW)[0] for _ in range(3)] == [Verdict.GO, Verdict.GO, Verdict.DROP]
    assert person.send(NOW + 29_999)[0] is Verdict.DROP
    assert person.send(NOW + 30_000)[0] is Verdict.GO


def test_a_cap_that_holds_spreads_what_is_over_it() -> None:
    person = Person(cap(2, 60, Action.HOLD))
    found = [person.send(NOW) for _ in range(5)]
    assert found == [
        (Verdict.GO, None),
        (Verdict.GO, None),
        (Verdict.HOLD, NOW + 30_000),
        (Verdict.HOLD, NOW + 60_000),
        (Verdict.HOLD, NOW + 90_000),
    ]


def test_what_would_be_held_until_it_is_over_is_dropped_and_takes_nothing() -> None:
    person = Person(cap(1, 60, Action.HOLD, id="quiet"))
    person.send(NOW)
    before = dict(person.allowances)

    judged = judge(person.caps, person.allowances, event="e", now_ms=NOW, expires_at_ms=NOW + 60_000)

    assert judged == (Verdict.DROP, None, "quiet", {})
    assert person.allowances == before
    assert person.send(NOW, expires_at=NOW + 60_001) == (Verdict.HOLD, NOW + 60_000)


@pytest.mark.parametrize("order", [1, -1])
def test_one_that_drops_wins_over_one_that_holds(order: int) -> None:
    caps = [cap(1, 60, Action.HOLD, id="holds"), cap(1, 60, Action.DROP, id="drops")][::order]
    person = Person(*caps)
    assert person.send(NOW)[0] is Verdict.GO

    judged = judge(caps, person.allowances, event="e", now_ms=NOW, expires_at_ms=FOREVER)

    assert judged == (Verdict.DROP, None, "drops", {})


def test_all_that_hold_must_have_room_and_the_last_of_them_is_named() -> None:
    caps = [cap(1, 60, Action.HOLD, id="minute"), cap(1, 3600, Action.HOLD, event="e", id="hour")]
    person = Person(*caps)
    person.send(NOW)

    judged = judge(caps, person.allowances, event="e", now_ms=NOW, expires_at_ms=FOREVER)
    assert (judged.verdict, judged.until_ms, judged.cap_id) == (Verdict.HOLD, NOW + 3_600_000, "hour")
    person.allowances |= judged.allowances
    # It counts in both as of the hour, so the next of another event does not go out beside it.
    assert person.send(NOW + 3_600_000, "f") == (Verdict.HOLD, NOW + 3_660_000)


def test_a_cap_that_was_changed_begins_anew() -> None:
    long, short = cap(1, 86_400), cap(1, 60)
    assert (long.id, long.key != short.key) == (short.id, True)
    judged = judge([long], {}, event="e", now_ms=NOW, expires_at_ms=FOREVER)
    assert (
        judge([short], judged.allowances, event="e", now_ms=NOW, expires_at_ms=FOREVER).verdict is Verdict.GO
    )


ids = st.sampled_from(["a", "b", "c"])
caps = st.lists(
    st.builds(
        make,
        ids,
        st.sampled_from([None, "e", "f"]),
        st.integers(1, 4),
        st.integers(1, 30),
        st.sampled_from(list(Action)),
    ),
    max_size=3,
    unique_by=lambda one: one.id,
)
sendings = st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(["e", "f"])), max_size=40)


@given(caps, sendings)
def test_no_user_gets_more_than_every_cap_allows(rules: Sequence[Cap], steps: list[tuple[int, str]]) -> None:
    person, now = Person(*rules), NOW
    for step, event in steps:
        now += step
        person.send(now, event)

    for one in rules:
        mine = sorted(at for at, event in person.out if one.event in (None, event))
        for first, start in enumerate(mine):
            for count, at in enumerate(mine[first:], start=1):
                # A held one goes out at a whole millisecond, which may be up to one late.
                assert count <= one.limit + (at - start + 1) * 1000 // one.policy.interval


@given(caps, sendings)
def test_what_matches_the_same_caps_goes_out_in_the_order_it_came(
    rules: Sequence[Cap], steps: list[tuple[int, str]]
) -> None:
    person, now = Person(*rules), NOW
    for step, event in steps:
        now += step
        person.send(now, event)

    for event in ("e", "f"):
        mine = [at for at, name in person.out if name == event]
        assert mine == sorted(mine)


@given(caps, sendings)
def test_the_same_question_has_the_same_answer_and_changes_only_what_it_names(
    rules: Sequence[Cap], steps: list[tuple[int, str]]
) -> None:
    allowances: Mapping[str, int] = {}
    now = NOW
    for step, event in steps:
        now += step
        before = dict(allowances)
        judged = [judge(rules, allowances, event=event, now_ms=now, expires_at_ms=now + 10_000) for _ in "ab"]
        assert judged[0] == judged[1]
        assert allowances == before
        if judged[0].verdict is Verdict.DROP:
            assert not judged[0].allowances
        if judged[0].until_ms is not None:
            assert now < judged[0].until_ms < now + 10_000
        allowances = {**allowances, **judged[0].allowances}


def test_caps_go_into_the_column_and_come_back_by_id() -> None:
    both = (cap(3, 60, Action.HOLD, event="order.paid", id="b"), cap(1, 10, id="a"))
    text = dump(both)
    assert text is not None
    assert parse(text) == (both[1], both[0])
    assert dump([]) is None
    assert parse(None) == ()


@pytest.mark.parametrize(
    ("text", "good"), [("a", True), ("A-1_b", True), ("x" * 32, True), ("x" * 33, False)]
)
def test_ids(text: str, good: bool) -> None:
    assert check_id(text) is good


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a b", "ä", "a\n"])
def test_ids_that_are_none(text: str) -> None:
    assert not check_id(text)
