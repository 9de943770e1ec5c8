"""Splitting a group: which members are stored, which fail, and when to stop."""

from hypothesis import given
from hypothesis import strategies as st

from workers.isolation import REFUSED_AFTER, Fault, by_weight, isolate


class Refused(Exception):
    """The transaction of a group fails."""


class Table:
    """A store that fails any group holding a bad member, and counts transactions."""

    def __init__(self, bad=(), away_after=None):
        self.bad, self.away_after, self.calls = set(bad), away_after, 0

    def store(self, group):
        self.calls += 1
        if self.away_after is not None and self.calls > self.away_after:
            raise ConnectionError
        if self.bad.intersection(group):
            raise Refused
        return list(group)


def judge(error):
    return Fault.STOP if isinstance(error, ConnectionError) else Fault.MEMBER


def unsure(_):
    return Fault.UNSURE


def test_a_good_group_is_one_transaction():
    table = Table()

    found = isolate([range(256)], table.store, judge)

    assert (found.stored, found.failed, table.calls) == ([list(range(256))], [], 1)


def test_one_bad_member_of_256_costs_about_two_transactions_a_halving():
    table = Table(bad={100})

    found = isolate([range(256)], table.store, judge)

    assert [member for member, _ in found.failed] == [100]
    assert table.calls <= 1 + 2 * 8


@given(st.integers(0, 64), st.sets(st.integers(0, 63)))
def test_every_member_is_stored_or_failed_exactly_once_and_in_order(size, bad):
    found = isolate([range(size)], Table(bad=bad).store, judge)

    stored = [member for group in found.stored for member in group]
    assert stored == [m for m in range(size) if m not in bad]
    assert [member for member, _ in found.failed] == [m for m in range(size) if m in bad]
    assert found.untried == []


def test_a_database_that_goes_away_leaves_the_rest_untried():
    found = isolate([range(8)], Table(bad={0}, away_after=4).store, judge)

    stored = [member for group in found.stored for member in group]
    failed = [member for member, _ in found.failed]
    assert isinstance(found.stopped, ConnectionError)
    assert sorted(stored + failed + found.untried) == list(range(8))
    assert failed == [0]


def test_members_refused_one_after_the_other_are_not_blamed():
    table = Table(bad=range(256))

    found = isolate([range(256)], table.store, unsure)

    assert found.failed == []
    assert sorted(found.untried) == list(range(256))
    assert table.calls <= 8 + 2 * REFUSED_AFTER


def test_a_small_group_of_doubtful_members_is_counted_against_them():
    found = isolate([range(2)], Table(bad=range(2)).store, unsure)

    assert len(found.failed) == 2


def test_no_members_no_transaction():
    table = Table()

    assert isolate([], table.store, judge).stored == []
    assert table.calls == 0


@given(st.lists(st.integers(1, 30), max_size=40))
def test_groups_by_weight_keep_order_and_the_limit(weights):
    groups = by_weight(list(enumerate(weights)), weights, limit=20)

    assert [member for group in groups for member in group] == list(enumerate(weights))
    assert all(len(group) == 1 or sum(weight for _, weight in group) <= 20 for group in groups)
