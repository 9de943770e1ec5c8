"""Versions N and N+1 side by side: what is unknown is let through where it adds, and refused whole where it changes."""

from dataclasses import replace

import orjson
import pytest

from shared.protocol import envelope, jobs
from shared.protocol.journal import Entry, UnknownEntryVersion
from workers.args import parse

ENTRY = Entry(
    id="019b7667-6c00-7000-8000-0123456789ab",
    app="main",
    accepted_at=1,
    expires_at=2,
    request_id="r",
    sender="key:k",
    priority="normal",
    users=("ana",),
    everyone=False,
    exclude=(),
    event="x",
    data_json="{}",
    ttl=1,
)


def changed(**fields: object) -> bytes:
    head, _, data = ENTRY.encode().partition(b"\n")
    return orjson.dumps({**orjson.loads(head), **fields}) + b"\n" + data


def test_fields_that_a_newer_api_adds_to_an_entry_are_ignored():
    assert Entry.decode(changed(colour="red", nested={"a": [1]})) == ENTRY


def test_an_entry_of_an_older_api_lacks_what_came_later():
    assert b"retried" not in ENTRY.encode()
    assert Entry.decode(ENTRY.encode()).retried is False
    assert Entry.decode(changed(retried=True)).retried is True


@pytest.mark.parametrize("version", [0, 4, 99, "1", "2", "3", None])
def test_an_entry_of_another_version_is_refused_by_a_name_of_its_own(version):
    with pytest.raises(UnknownEntryVersion):
        Entry.decode(changed(v=version))


WRITTEN_BEFORE = (
    b'{"v":1,"id":"019b7667-6c00-7000-8000-0123456789ab","app":"main","accepted_at":1,"expires_at":2,'
    b'"request_id":"r","sender":"key:k","priority":"normal","users":["ana"],"event":"x","ttl":1,'
    b'"exclude":["bob"],"retried":true}\n{}'
)
"""An entry as it was written before there were topics."""


def test_an_entry_without_topics_is_byte_for_byte_what_older_workers_know():
    one = replace(ENTRY, exclude=("bob",), retried=True)

    assert one.encode() == WRITTEN_BEFORE
    assert Entry.decode(WRITTEN_BEFORE) == one


@pytest.mark.parametrize(
    "audience",
    [
        {"topics": ("a/b", "c")},
        {"exclude_topics": ("a",)},
        {"topics": ("a",), "exclude_topics": ("b",), "exclude": ("bob",), "users": ()},
        {"exclude_topics": ("b",), "everyone": True, "users": ()},
    ],
)
def test_an_entry_with_topics_is_of_a_version_that_older_workers_leave_alone(audience):
    one = replace(ENTRY, **audience)

    assert orjson.loads(one.encode().partition(b"\n")[0])["v"] == 2
    assert Entry.decode(one.encode()) == one


@pytest.mark.parametrize(
    "options",
    [
        {"segments": ("paying",)},
        {"exclude_segments": ("paying",), "topics": ("a",)},
        {"send_at": 1_800_000_000_000},
        {"send_at": 1_800_000_000_000, "local_at": "2027-01-15T09:00:00", "exclude_topics": ("a",)},
    ],
)
def test_an_entry_with_segments_or_a_time_is_of_a_later_version_still(options):
    one = replace(ENTRY, **options)

    assert orjson.loads(one.encode().partition(b"\n")[0])["v"] == 3
    assert Entry.decode(one.encode()) == one


@pytest.mark.parametrize(
    "raw", [b"2 frames main e 0\n", b"99 probe 1", b"1 dance", b"0 all main e 1 0 0\n[]\nr {}"]
)
def test_an_envelope_of_another_version_or_kind_is_refused_whole(raw):
    with pytest.raises(envelope.UnknownEnvelope):
        envelope.decode(raw)


def test_fields_that_a_newer_worker_adds_to_an_envelope_are_ignored():
    head, _, body = envelope.encode_state("main", "ana", {"type": "state"}, None).partition(b"\n")
    newer = head + b"\n" + orjson.dumps({**orjson.loads(body), "colour": "red"})

    assert envelope.decode(newer) == envelope.decode(head + b"\n" + body)


def test_arguments_that_a_newer_enqueuer_adds_are_ignored():
    assert parse(jobs.Deliver, {"ids": ["a"], "rescue": False, "colour": "red"}) == jobs.Deliver(ids=["a"])
