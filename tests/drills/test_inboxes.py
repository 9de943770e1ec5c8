"""Readers of inboxes see a hole in a page, and the audit sees what is missing, twice or left out."""

import pytest

from drills.inboxes import faults, holed


@pytest.mark.parametrize(
    ("seqs", "expected"),
    [
        ([], False),
        ([1], False),
        ([3, 2, 1], False),
        ([9, 8, 7], False),
        ([9, 7, 6], True),
        ([2], True),
        ([3, 2], True),
        ([2, 3, 1], True),
        ([2, 2, 1], True),
    ],
)
def test_a_page_without_a_hole_goes_down_one_by_one_and_to_the_bottom_if_it_is_not_full(seqs, expected):
    assert holed(seqs, page=3) is expected


def test_whole_inboxes_have_no_fault():
    found = {"ana": [{"id": "b", "seq": 2}, {"id": "a", "seq": 1}], "bob": []}
    assert not faults({"ana": {"a", "b"}, "bob": set()}, found).total()


def test_each_fault_is_counted_by_its_name():
    found = {"ana": [{"id": "b", "seq": 4}, {"id": "b", "seq": 3}, {"id": "a", "seq": 1}]}
    assert faults({"ana": {"a", "b", "c"}}, found) == {"missing": 1, "twice": 1, "left_out": 1}


def test_what_was_stored_without_an_answer_may_be_there():
    assert not faults({"ana": set()}, {"ana": [{"id": "a", "seq": 1}]}).total()
