"""The verdict sees each way in which a notification can go wrong, and nothing where all went well."""

import pytest

from drills.verdict import Asked, Harm, Screen, Shown, first_shown, flow, judge, percentile

ANA = frozenset({"ana"})


def asked(number: int, *, users=ANA, at: float = 0.0, accepted: bool = True) -> Asked:
    return Asked(number, users, at, at + 0.1 if accepted else None)


def screen(*shown: tuple[int, int] | tuple[int, int, float], user: str = "ana") -> Screen:
    """Pairs of seq and number, in the order in which they were shown; the time may follow."""
    return Screen(user, user, [Shown(one[2] if len(one) > 2 else 1.0, "me", one[0], one[1]) for one in shown])


def test_everything_once_in_order_is_clean():
    verdict = judge([asked(1), asked(2)], [screen((1, 1), (2, 2))])
    assert verdict.clean
    assert (verdict.accepted, verdict.holes, verdict.recovery_s) == (2, 0, None)


def test_what_was_accepted_and_is_on_no_screen_is_lost():
    verdict = judge([asked(1), asked(2)], [screen((1, 1))])
    assert (verdict.lost, verdict.missing) == (1, (2,))
    assert not verdict.clean


def test_what_was_never_accepted_may_be_shown_or_not():
    ledger = [asked(1), asked(2, accepted=False), asked(3, accepted=False)]
    assert judge(ledger, [screen((1, 1), (2, 2))]).clean


def test_it_is_lost_for_each_device_that_lacks_it():
    ledger = [asked(1, users=frozenset({"ana", "bob"})), asked(2, users=None)]
    verdict = judge(ledger, [screen((1, 1), (2, 2)), screen((1, 1), user="bob")])
    assert verdict.lost == 1


def test_a_second_time_is_repeated_even_under_another_number_of_the_stream():
    verdict = judge([asked(1)], [screen((1, 1), (2, 1))])
    assert verdict.repeated == 1


def test_after_a_later_one_of_the_same_stream_is_reordered():
    verdict = judge([asked(1), asked(2)], [screen((2, 2), (1, 1))])
    assert verdict.reordered == 1


def test_two_streams_have_no_order_between_them():
    shown = [Shown(1.0, "me", 7, 1), Shown(1.0, "all", 1, 2)]
    assert judge([asked(1), asked(2, users=None)], [Screen("ana", "ana", shown)]).reordered == 0


@pytest.mark.parametrize("number", [9, 2])
def test_what_nobody_asked_for_or_for_somebody_else_is_strange(number: int):
    verdict = judge([asked(1), asked(2, users=frozenset({"bob"}))], [screen((1, 1), (2, number))])
    assert verdict.strange == 1


def test_a_number_that_a_stream_left_out_is_a_hole():
    assert judge([asked(1), asked(2)], [screen((1, 1), (3, 2))]).holes == 1


def test_latency_is_from_the_accepted_attempt_to_the_screen():
    verdict = judge([asked(1, at=0.5)], [screen((1, 1, 1.0))])
    assert verdict.latency_p50_ms == 500.0


def test_recovery_ends_with_the_last_of_before_and_the_first_of_after():
    ledger = [asked(1, at=1.0), asked(2, at=6.0)]
    harm = [Harm("kill", 4.0, 5.0)]
    assert judge(ledger, [screen((1, 1, 8.0), (2, 2, 6.5))], harm).recovery_s == 3.0
    assert judge(ledger, [screen((1, 1, 2.0), (2, 2, 7.0))], harm).recovery_s == 2.0


def test_there_is_no_recovery_while_something_is_missing():
    assert judge([asked(1)], [screen()], [Harm("kill", 0.0, 1.0)]).recovery_s is None


def test_flow_is_the_first_of_what_was_asked_after_the_harm():
    ledger = [asked(1, at=1.0), asked(2, at=6.0), asked(3, at=7.0)]
    screens = [screen((1, 1, 20.0), (2, 2, 9.0), (3, 3, 8.0))]
    harms = [Harm("kill", 4.0, 5.0)]
    assert flow(ledger, first_shown(screens), harms) == 3.0
    assert flow(ledger[:1], first_shown(screens), harms) is None


def test_percentiles_of_nothing_are_nothing():
    assert percentile([], 0.5) is None
    assert [percentile([1.0, 2.0, 3.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 2.0, 3.0]
