"""The two halves of a notification frame make one JSON object."""

from dataclasses import replace

import orjson
import pytest

from shared.protocol import frames
from shared.protocol.journal import Entry, UnknownEntryVersion
from wsnode.ledger import sent_ms


def test_head_and_fragment_make_the_documented_frame():
    fragment = frames.fragment(
        id="i1", event='odd "event"', data_json='{"b":1,"a":[2]}', sent_at_ms=0, expires_at_ms=1
    )

    whole = frames.head("me", 7, 6) + fragment

    assert orjson.loads(whole) == {
        "type": "notification",
        "stream": "me",
        "seq": 7,
        "prev": 6,
        "id": "i1",
        "event": 'odd "event"',
        "data": {"b": 1, "a": [2]},
        "sent_at": "1970-01-01T00:00:00.000Z",
        "expires_at": "1970-01-01T00:00:00.001Z",
    }
    assert '"data":{"b":1,"a":[2]}' in whole


def test_what_a_frame_replaces_is_named_in_it():
    fragment = frames.fragment(
        id="i2", event="x", data_json="null", sent_at_ms=0, expires_at_ms=1, replaces="i1"
    )

    assert orjson.loads("{" + fragment)["replaces"] == "i1"


@pytest.mark.parametrize("user", ["ana", 'a","expires_at":"x', "é"])
def test_a_users_notification_says_who_sent_it_before_what_it_replaces(user: str):
    asked = {"id": "i", "event": "e", "data_json": "{}", "sent_at_ms": 0, "expires_at_ms": 1}
    made = frames.fragment(**asked, sender=f"user:{user}", replaces="j")
    assert list(orjson.loads("{" + made).items())[-2:] == [("from", user), ("replaces", "j")]
    assert made == frames.replacing(frames.fragment(**asked, sender=f"user:{user}"), "j")
    assert sent_ms(made.encode()) == 0


@pytest.mark.parametrize("sender", ["key:ana", "schedule:ana", ""])
def test_nobody_else_is_named_to_receivers(sender: str):
    made = frames.fragment(id="i", event="e", data_json="{}", sent_at_ms=0, expires_at_ms=1, sender=sender)
    assert "from" not in orjson.loads("{" + made)


def test_a_position_says_what_is_skipped():
    assert orjson.loads(frames.position("all", 3, 5)) == {
        "type": "position",
        "stream": "all",
        "prev": 3,
        "seq": 5,
    }


ENTRY = Entry(
    id="i1",
    app="main",
    accepted_at=1,
    expires_at=2,
    request_id="r1",
    sender="key:abc",
    priority="bulk",
    users=("a", "b"),
    everyone=False,
    exclude=("c",),
    event="x",
    data_json='{"é":"line\\nbreak"}',
    ttl=1,
    tags_json='["t"]',
)


def test_a_journal_entry_comes_back_as_it_was():
    assert Entry.decode(ENTRY.encode()) == ENTRY
    every = replace(ENTRY, everyone=True, collapse_key="a", cancel_key="b", thread_key="c", retried=True)
    assert Entry.decode(every.encode()) == every


@pytest.mark.parametrize("raw", [b"", b"\n{}", b"[]\n{}", b"{}\n{}", b'"v"\n{}', b"\xff{"])
def test_what_is_no_journal_entry_is_refused(raw):
    with pytest.raises((ValueError, KeyError, TypeError)):
        Entry.decode(raw)


def test_an_entry_that_was_cut_off_before_its_data_is_refused():
    with pytest.raises(ValueError, match="no data"):
        Entry.decode(ENTRY.encode().partition(b"\n")[0])


def test_an_entry_of_another_version_is_left_for_who_knows_it():
    with pytest.raises(UnknownEntryVersion):
        Entry.decode(b'{"v":4}')
