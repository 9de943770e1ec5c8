"""The session machine: connect results, live frames, tails and replays in; events out."""

from dataclasses import replace
from typing import Any

import pytest

from shared.protocol.close_codes import CloseCode
from shared.protocol.envelope import Counts, ReplayPart, TailFrame
from shared.redis.streams import Connected, Since, Tails
from wsnode.events import (
    Acked,
    AskReplay,
    AskSync,
    CaughtUp,
    Deliver,
    Fail,
    Position,
    ReadTail,
    Repaired,
    Told,
    WaitGap,
    Welcome,
)
from wsnode.session import Session

NOW = 1_000
COUNTS = Counts(1, 1, 1, 0)


def row(
    seq: int, *, prev: int | None = None, expires: int = 9_000, excluded: tuple[str, ...] = ()
) -> TailFrame:
    return TailFrame(seq, seq - 1 if prev is None else prev, expires, b"f%d" % seq, excluded)


def rows(*seqs: int) -> list[TailFrame]:
    return [row(seq) for seq in seqs]


def found(**fields: Any) -> Connected:
    known: dict[str, Any] = {
        "synced": True, "epoch": "e", "me_top": 0, "all_top": 0, "rev": 3, "acked": 0, "all_acked": 0,
        "counts": COUNTS, "me_tail": [], "all_tail": [],
    }  # fmt: skip
    return Connected(**(known | fields))


def session(since: Since | None = None, *, hold_bytes: int = 10_000) -> Session:
    return Session("ana", since or Since(), hold_bytes=hold_bytes)


def ready(me: int = 5, everyone: int = 2) -> Session:
    """A session that follows live."""
    one = session(Since("e", me, everyone))
    one.opened(found(me_top=me, all_top=everyone, acked=me, all_acked=everyone), NOW)
    assert one.repair is None
    return one


def part(
    attempt: int = 1,
    *,
    me: int = 0,
    everyone: int = 0,
    last: bool = True,
    recovered: bool = True,
    **frames: Any,
) -> ReplayPart:
    return ReplayPart(
        "c", attempt, last, me, everyone, recovered, frames.get("mine", []), frames.get("others", [])
    )


def tails(
    me_top: int | None = 0, all_top: int | None = 0, mine: Any = (), others: Any = (), epoch: str | None = "e"
) -> Tails:
    return Tails(epoch, me_top, all_top, list(mine), list(others))


def seqs(events: list[Any]) -> list[int]:
    return [event.seq for event in events if isinstance(event, Deliver)]


def only(events: list[Any], kind: type) -> Any:
    matching = [event for event in events if isinstance(event, kind)]
    assert len(matching) == 1, events
    return matching[0]


class TestOpening:
    def test_nothing_missed_is_recovered(self):
        one = session(Since("e", 5, 2))
        events = one.opened(found(me_top=5, all_top=2), NOW)
        assert events[0] == Welcome("e", 5, 2, True, COUNTS, 3)
        assert one.repair is None

    def test_the_tail_fills_a_short_absence(self):
        one = session(Since("e", 5, 2))
        events = one.opened(found(me_top=7, all_top=3, me_tail=rows(6, 7), all_tail=rows(3)), NOW)
        assert events[0] == Welcome("e", 5, 2, True, COUNTS, 3)
        assert seqs(events) == [6, 7, 3]
        assert not [event for event in events if isinstance(event, AskReplay | AskSync)]

    def test_without_since_it_starts_from_what_is_acked(self):
        events = session().opened(found(me_top=4, acked=3, all_top=2, all_acked=2, me_tail=rows(4)), NOW)
        assert events[0] == Welcome("e", 3, 2, True, COUNTS, 3)
        assert seqs(events) == [4]

    def test_a_tail_with_a_hole_asks_the_database(self):
        one = session(Since("e", 5, 2))
        events = one.opened(found(me_top=9, all_top=2, me_tail=rows(8, 9)), NOW)
        assert events[0] == Welcome("e", 5, 2, None, COUNTS, 3)
        assert only(events, AskReplay)[1:] == (1, 5, 2)
        assert seqs(events) == []

    def test_a_tail_that_ends_too_early_asks_the_database(self):
        events = session(Since("e", 5, 2)).opened(found(me_top=9, all_top=2, me_tail=rows(6, 7)), NOW)
        assert only(events, AskReplay)[1:] == (1, 7, 2)

    def test_an_unknown_start_of_everyone_is_left_to_the_database(self):
        events = session().opened(found(all_top=900, all_acked=0, all_tail=rows(899, 900)), NOW)
        assert events[0] == Welcome("e", 0, None, None, COUNTS, 3)
        assert only(events, AskReplay)[1:] == (1, 0, None)

    def test_another_epoch_is_not_recovered(self):
        one = session(Since("old", 50, 2))
        events = one.opened(found(me_top=7, all_top=3, me_tail=rows(6, 7)), NOW)
        assert events == [Welcome("e", 7, 3, False, COUNTS, 3)]
        assert one.repair is None

    def test_an_epoch_without_positions_is_no_position(self):
        events = session(Since("old")).opened(found(me_top=1, me_tail=rows(1)), NOW)
        assert events[0] == Welcome("e", 0, 0, True, COUNTS, 3)

    def test_since_counts_as_an_ack(self):
        events = session(Since("e", 5, 2)).opened(found(me_top=5, all_top=2, acked=3, all_acked=2), NOW)
        assert only(events, Acked) == Acked(5, 0)

    def test_a_client_ahead_of_redis_asks_the_database_first(self):
        one = session(Since("e", 9, 2))
        events = one.opened(found(me_top=7, all_top=2), NOW)
        assert only(events, Welcome).recovered is None
        assert only(events, AskSync).step is not None
        later = one.opened(found(me_top=9, all_top=2), NOW)
        assert only(later, CaughtUp) == CaughtUp(9, 2, True)

    def test_a_client_ahead_of_the_database_is_not_recovered(self):
        one = session(Since("e", 9, 2))
        one.opened(found(me_top=7, all_top=2), NOW)
        events = one.opened(found(me_top=7, all_top=2), NOW)
        assert only(events, CaughtUp) == CaughtUp(7, 2, False)
        assert (one.me, one.repair) == (7, None)


class TestUnknownUser:
    def test_the_welcome_says_that_all_is_on_its_way(self):
        one = session()
        events = one.opened(found(synced=False, counts=None), NOW)
        assert events[0] == Welcome("e", None, None, None, None, None)
        assert isinstance(events[1], AskSync)

    def test_without_an_epoch_the_welcome_waits(self):
        one = session()
        assert [type(event) for event in one.opened(found(synced=False, epoch=None, counts=None), NOW)] == [
            AskSync
        ]
        assert one.opened(found(), NOW)[0] == Welcome("e", 0, 0, True, COUNTS, 3)

    def test_after_the_sync_come_counts_frames_and_the_end(self):
        one = session()
        one.opened(found(synced=False, counts=None), NOW)
        events = one.opened(found(me_top=1, me_tail=rows(1)), NOW)
        assert [type(event) for event in events] == [Told, Deliver, CaughtUp]
        assert events[-1] == CaughtUp(1, 0, True)

    def test_it_asks_twice_then_gives_the_connection_up(self):
        one = session()
        first = only(one.opened(found(synced=False, counts=None), NOW), AskSync)
        second = only(one.overdue(first.step, NOW), AskSync)
        assert second.step != first.step
        assert only(one.overdue(second.step, NOW), Fail).code is CloseCode.POSITION_LOST

    def test_an_answer_that_changes_nothing_is_not_asked_about_again_at_once(self):
        one = session()
        one.opened(found(synced=False, counts=None), NOW)
        assert one.opened(found(synced=False, counts=None), NOW) == []

    def test_a_registration_that_never_comes_ends_the_connection(self):
        one = session()
        assert one.repair is not None
        assert only(one.overdue(one.repair.step, NOW), Fail).code is CloseCode.POSITION_LOST


class TestCounts:
    def test_a_new_connection_asks_for_counts_that_redis_lacks(self):
        one = session()
        assert only(one.opened(found(counts=None), NOW), AskSync).step is None
        assert one.opened(found(), NOW) == [Told(COUNTS, 3)]
        assert one.opened(found(), NOW) == []

    def test_a_resume_within_the_tail_asks_nothing_of_the_database(self):
        events = session(Since("e", 5, 2)).opened(
            found(me_top=6, all_top=2, counts=None, me_tail=rows(6)), NOW
        )
        assert [type(event) for event in events if not isinstance(event, Acked)] == [Welcome, Deliver]


class TestLive:
    def test_a_frame_in_order_goes_through(self):
        one = ready()
        assert one.frame("me", row(6), NOW) == [Deliver("me", 6, 5, b"f6", False)]
        assert one.frame("all", row(3), NOW) == [Deliver("all", 3, 2, b"f3", False)]
        assert (one.me, one.all) == (6, 3)

    def test_an_old_frame_is_dropped(self):
        one = ready()
        assert one.frame("me", row(5), NOW) == []

    def test_an_expired_or_excluded_frame_becomes_a_position(self):
        one = ready()
        assert one.frame("me", row(6, expires=NOW), NOW) == [Position("me", 5, 6)]
        assert one.frame("all", row(3, excluded=("bob", "ana")), NOW) == [Position("all", 2, 3)]

    def test_positions_in_a_row_are_one(self):
        one = session(Since("e", 0, 0))
        gone = [row(1, expires=1), row(2, expires=1), row(3), row(4, expires=1)]
        events = one.opened(found(me_top=4, me_tail=gone), NOW)
        assert [type(e).__name__ for e in events[1:]] == ["Position", "Deliver", "Position"]
        assert events[1] == Position("me", 0, 2)

    def test_frames_wait_until_the_registration_is_answered(self):
        one = session(Since("e", 5, 2))
        assert one.frame("me", row(7), NOW) == []
        assert one.frame("me", row(6), NOW) == []
        assert seqs(one.opened(found(me_top=6, all_top=2, me_tail=rows(6)), NOW)) == [6, 7]

    def test_an_ended_session_lets_nothing_through(self):
        one = ready()
        one.end()
        assert one.frame("me", row(6), NOW) == []
        assert one.check("other", 9, 9) == []


class TestGap:
    def test_a_frame_that_comes_late_closes_the_gap(self):
        one = ready()
        assert isinstance(one.frame("me", row(7), NOW)[0], WaitGap)
        events = one.frame("me", row(6), NOW)
        assert seqs(events) == [6, 7]
        assert events[-1] == Repaired("live")
        assert one.repair is None

    def test_the_other_stream_flows_on(self):
        one = ready()
        one.frame("me", row(7), NOW)
        assert seqs(one.frame("all", row(3), NOW)) == [3]
        assert one.repair is not None

    def test_after_its_time_the_tail_is_read_of_the_stream_that_lacks_something(self):
        one = ready()
        gap = only(one.frame("me", row(7), NOW), WaitGap)
        assert only(one.overdue(gap.step, NOW), ReadTail)[1:] == (5, None)

    def test_the_tail_closes_the_gap(self):
        one = ready()
        gap = only(one.frame("me", row(8), NOW), WaitGap)
        wish = only(one.overdue(gap.step, NOW), ReadTail)
        events = one.tails(wish.step, tails(8, mine=rows(6, 7)), NOW)
        assert seqs(events) == [6, 7, 8]
        assert events[-1] == Repaired("tail")

    def test_a_tail_that_does_not_reach_asks_the_database(self):
        one = ready()
        gap = only(one.frame("me", row(9), NOW), WaitGap)
        wish = only(one.overdue(gap.step, NOW), ReadTail)
        asked = only(one.tails(wish.step, tails(9, mine=rows(8, 9)), NOW), AskReplay)
        assert asked[1:] == (1, 5, 2)
        events = one.replayed(part(me=8, everyone=2, mine=rows(6, 7, 8)), NOW)
        assert seqs(events) == [6, 7, 8, 9]
        assert not [event for event in events if isinstance(event, CaughtUp)]

    def test_a_tail_that_cannot_be_read_is_left_to_the_database(self):
        one = ready()
        gap = only(one.frame("me", row(9), NOW), WaitGap)
        wish = only(one.overdue(gap.step, NOW), ReadTail)
        assert only(one.overdue(wish.step, NOW), AskReplay)[1:] == (1, 5, 2)

    def test_a_gap_that_cannot_be_closed_ends_the_connection(self):
        one = ready()
        gap = only(one.frame("me", row(9), NOW), WaitGap)
        wish = only(one.overdue(gap.step, NOW), ReadTail)
        first = only(one.tails(wish.step, tails(9), NOW), AskReplay)
        second = only(one.overdue(first.step, NOW), AskReplay)
        assert second.attempt == 2
        assert only(one.overdue(second.step, NOW), Fail).code is CloseCode.POSITION_LOST
        assert one.frame("me", row(10), NOW) == []

    def test_late_answers_of_another_step_are_ignored(self):
        one = ready()
        gap = only(one.frame("me", row(7), NOW), WaitGap)
        one.frame("me", row(6), NOW)
        assert one.overdue(gap.step, NOW) == []
        assert one.tails(gap.step, tails(7), NOW) == []

    def test_frames_that_are_too_many_to_hold_are_fetched_afterwards(self):
        one = session(Since("e", 5, 2), hold_bytes=500)
        one.opened(found(me_top=5, all_top=2), NOW)
        gap = only(one.frame("me", row(7), NOW), WaitGap)
        for seq in range(8, 20):
            assert one.frame("me", row(seq), NOW) == []
        wish = only(one.overdue(gap.step, NOW), ReadTail)
        events = one.tails(wish.step, tails(19, mine=rows(*range(6, 20))), NOW)
        assert seqs(events) == list(range(6, 20))


class TestReplay:
    def opening(self, since: Since | None = None) -> tuple[Session, AskReplay]:
        one = session(since or Since("e", 5, 2))
        return one, only(one.opened(found(me_top=9, all_top=2), NOW), AskReplay)

    def test_frames_then_the_end_then_what_was_held(self):
        one, _ = self.opening()
        assert one.frame("me", row(10), NOW) == []
        assert seqs(one.replayed(part(me=9, everyone=2, last=False, mine=rows(6, 7)), NOW)) == [6, 7]
        events = one.replayed(part(me=9, everyone=2, mine=rows(8, 9)), NOW)
        assert [type(event) for event in events[:4]] == [Deliver, Deliver, CaughtUp, Deliver]
        assert events[2] == CaughtUp(9, 2, True)
        assert seqs(events) == [8, 9, 10]

    def test_positions_of_the_database_go_through_as_such(self):
        one, _ = self.opening()
        gone = [TailFrame(6, 5, 0, b""), TailFrame(7, 6, 0, b""), row(8), row(9)]
        assert one.replayed(part(me=9, everyone=2, mine=gone), NOW)[0] == Position("me", 5, 7)

    def test_nothing_to_send_still_ends_at_the_top(self):
        one, _ = self.opening(Since())
        mine, others = TailFrame(9, 0, 0, b""), TailFrame(7, 0, 0, b"")
        events = one.replayed(part(me=9, everyone=7, mine=[mine], others=[others]), NOW)
        assert events[:2] == [Position("me", 0, 9), Position("all", 0, 7)]
        assert only(events, CaughtUp) == CaughtUp(9, 7, True)

    def test_a_replay_that_ends_before_the_top_is_never_passed_on_as_whole(self):
        one, _ = self.opening()
        events = one.replayed(part(me=9, everyone=2, mine=rows(6, 7, 8)), NOW)
        assert only(events, AskReplay)[1:] == (2, 8, 2)
        events = one.replayed(part(2, me=9, everyone=2), NOW)
        assert only(events, CaughtUp) == CaughtUp(9, 2, False)

    def test_an_unknown_start_is_where_the_frames_begin(self):
        one = session()
        only(one.opened(found(all_top=900), NOW), AskReplay)
        events = one.replayed(part(everyone=900, others=[row(801), row(802), *rows(*range(803, 901))]), NOW)
        assert events[0] == Deliver("all", 801, 800, b"f801", True)
        assert only(events, CaughtUp).all == 900

    def test_not_recovered_goes_on_from_the_top(self):
        one, _ = self.opening()
        one.frame("me", row(10), NOW)
        events = one.replayed(part(me=9, everyone=4, recovered=False), NOW)
        assert only(events, CaughtUp) == CaughtUp(10, 4, False)
        assert one.repair is None
        assert seqs(one.frame("me", row(11), NOW)) == [11]

    def test_a_replay_with_a_hole_is_never_passed_on_as_whole(self):
        one, _ = self.opening()
        events = one.replayed(part(me=9, everyone=2, mine=[row(6), row(8)]), NOW)
        assert only(events, AskReplay)[1:] == (2, 6, 2)
        events = one.replayed(part(2, me=9, everyone=2, mine=[row(8)]), NOW)
        assert only(events, CaughtUp).recovered is False

    def test_a_stream_without_a_position_begins_where_its_replay_begins_not_where_a_lost_part_ended(self):
        one = session()
        only(one.opened(found(all_top=900), NOW), AskReplay)
        lost = part(everyone=900, others=rows(*range(850, 901)))
        events = one.replayed(replace(lost, me_since=0, all_since=800), NOW)
        assert only(events, AskReplay)[1:] == (2, 0, None)

    def test_a_stream_without_a_position_whose_frames_were_all_lost_is_asked_for_again(self):
        one = session()
        only(one.opened(found(all_top=900), NOW), AskReplay)
        events = one.replayed(replace(part(everyone=900), me_since=0, all_since=800), NOW)
        assert only(events, AskReplay)[1:] == (2, 0, None)

    def test_a_replay_of_another_epoch_ends_the_connection(self):
        one, _ = self.opening()
        events = one.replayed(replace(part(me=9, everyone=2, mine=rows(6, 7, 8, 9)), epoch="other"), NOW)
        assert only(events, Fail).code == CloseCode.POSITION_LOST
        assert seqs(events) == []

    def test_it_is_asked_for_once_more_from_where_it_got_to(self):
        one, asked = self.opening()
        one.replayed(part(me=9, everyone=2, last=False, mine=rows(6, 7)), NOW)
        again = only(one.overdue(asked.step, NOW), AskReplay)
        assert again[1:] == (2, 7, 2)
        assert one.replayed(part(1, me=9, everyone=2, mine=rows(8, 9)), NOW) == []
        assert seqs(one.replayed(part(2, me=9, everyone=2, mine=rows(8, 9)), NOW)) == [8, 9]

    def test_twice_in_vain_is_not_recovered(self):
        one, asked = self.opening()
        again = only(one.overdue(asked.step, NOW), AskReplay)
        assert only(one.overdue(again.step, NOW), CaughtUp) == CaughtUp(9, 2, False)

    def test_what_came_during_the_replay_and_was_not_held_is_read_from_the_tail(self):
        one = session(Since("e", 5, 2), hold_bytes=1)
        one.opened(found(me_top=9, all_top=2), NOW)
        one.frame("me", row(10), NOW)
        events = one.replayed(part(me=9, everyone=2, mine=rows(6, 7, 8, 9)), NOW)
        wish = only(events, ReadTail)
        assert wish[1:] == (9, None)
        assert seqs(one.tails(wish.step, tails(10, mine=rows(10)), NOW)) == [10]
        assert one.repair is None


class TestCheck:
    def test_in_step_is_nothing(self):
        assert ready().check("e", 5, 2) == []

    def test_behind_waits_as_for_a_gap_because_the_frame_may_be_on_its_way(self):
        one = ready()
        assert isinstance(only(one.check("e", 6, 2), WaitGap), WaitGap)
        assert seqs(one.frame("me", row(6), NOW)) == [6]
        assert one.repair is None

    def test_behind_on_everyone(self):
        one = ready()
        gap = only(one.check("e", 5, 3), WaitGap)
        assert only(one.overdue(gap.step, NOW), ReadTail)[1:] == (None, 2)

    def test_another_epoch_ends_the_connection(self):
        assert only(ready().check("new", 5, 2), Fail).code is CloseCode.POSITION_LOST

    def test_a_record_that_is_gone_is_asked_for(self):
        assert ready().check("e", None, 2) == [AskSync(None)]

    def test_a_record_that_is_gone_is_asked_for_while_everyones_is_read(self):
        sync, gap = ready().check("e", None, 3)
        assert sync == AskSync(None)
        assert isinstance(gap, WaitGap)

    def test_a_tail_of_another_epoch_ends_the_connection(self):
        one = ready()
        gap = only(one.frame("me", row(9), NOW), WaitGap)
        wish = only(one.overdue(gap.step, NOW), ReadTail)
        assert only(one.tails(wish.step, tails(9, epoch="new"), NOW), Fail).code is CloseCode.POSITION_LOST


class TestAck:
    def test_it_is_clamped_to_what_was_sent(self):
        assert ready().ack(99, 1) is None
        one = ready()
        one.frame("me", row(6), NOW)
        assert one.ack(99, 99) == Acked(6, 0)

    def test_the_same_again_is_nothing_new(self):
        one = ready()
        one.frame("me", row(6), NOW)
        one.frame("all", row(3), NOW)
        assert one.ack(6, 0) == Acked(6, 0)
        assert one.ack(6, 3) == Acked(0, 3)
        assert one.ack(5, 1) is None

    def test_before_anything_is_sent_nothing_can_be_confirmed(self):
        assert session().ack(5, 5) is None


@pytest.mark.parametrize("stands", [Since("e", 5, 2), Since()])
def test_where_a_session_stands_is_what_a_registration_again_says(stands: Since):
    one = session(stands)
    assert one.since == stands
    one.opened(found(me_top=5, all_top=2, acked=5, all_acked=2), NOW)
    assert one.since == Since("e", 5, 2)
