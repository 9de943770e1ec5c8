"""Word of what is cancelled before it is stored: while it waits, by id or by key, bounded, dropped afterwards."""

from dataclasses import replace

import pytest

from shared.protocol.journal import Entry
from shared.redis import tombstones as module
from shared.redis.journal import Bounds, Journal, Submission
from shared.redis.tombstones import Buried, Tombstones

BOUNDS = Bounds(entries=100, bytes=100_000)
ENTRY = Entry(
    id="a", app="main", accepted_at=1_000, expires_at=9_000, request_id="r", sender="k", priority="normal",
    users=("ana", "ben"), everyone=False, exclude=(), event="x", data_json="{}", ttl=8, cancel_key="order 7",
)  # fmt: skip


def accept(client, *entries: Entry) -> Journal:
    journal = Journal(client)
    journal.accept([Submission(entries, [one.encode() for one in entries])], now_ms=0, bounds=BOUNDS)
    return journal


def take(journal: Journal, *ids: str) -> tuple[list[str], bool]:
    found = journal.take(ids, now_ms=0, members_max=9, bytes_max=10_000, anyhow=True)
    return [id for id, _ in found.entries], found.cancelled


def test_a_word_is_left_only_while_the_entry_waits(client):
    journal, tombstones = accept(client, ENTRY), Tombstones(client)

    assert tombstones.by_id("other", 5, None) is Buried.GONE
    assert tombstones.by_id("a", 5, None) is Buried.WRITTEN
    assert tombstones.by_id("a", 6, None) is Buried.KNOWN
    assert tombstones.of([ENTRY]) == {"a": None}
    journal.done(["a"])
    assert tombstones.by_id("a", 5, frozenset({"ana"})) is Buried.GONE


def test_workers_are_told_that_there_are_any_when_they_take_and_when_they_clear(client):
    journal, tombstones = accept(client, ENTRY, replace(ENTRY, id="b")), Tombstones(client)
    assert take(journal, "a") == (["a"], False)
    assert journal.finish(["b"]) is False

    tombstones.by_id("a", 5, None)

    assert take(journal, "a") == (["a"], True)
    assert journal.finish(["a"]) is True


def test_words_for_some_users_add_up_and_one_for_all_stands_for_them(client):
    accept(client, ENTRY)
    tombstones = Tombstones(client)
    tombstones.by_id("a", 5, frozenset({"ana"}))
    tombstones.by_id("a", 6, frozenset({"ben"}))
    assert tombstones.of([ENTRY]) == {"a": frozenset({"ana", "ben"})}
    tombstones.by_id("a", 7, None)
    assert tombstones.of([ENTRY]) == {"a": None}
    assert [len(one.words) for one in tombstones.all()] == [1]


def test_a_word_by_key_counts_for_its_app_and_until_its_instant(client):
    late, foreign = replace(ENTRY, id="b", accepted_at=2_001), replace(ENTRY, id="c", app="shop")
    keyless = replace(ENTRY, id="d", cancel_key=None)
    accept(client, ENTRY, late, foreign, keyless)
    tombstones = Tombstones(client)

    assert tombstones.by_key("main", "order 7", 2_000, None) is Buried.WRITTEN
    assert tombstones.by_key("main", "order 7", 1_500, frozenset({"ana"})) is Buried.WRITTEN

    assert tombstones.of([ENTRY, late, foreign, keyless]) == {"a": None}
    tombstones.by_key("main", "order 7", 3_000, frozenset({"ben"}))
    assert tombstones.of([ENTRY, late]) == {"a": None, "b": frozenset({"ben"})}
    [one] = tombstones.all()
    assert (one.app, one.key, one.id) == ("main", "order 7", "")


def test_by_key_there_is_nothing_to_say_when_the_journal_is_empty(client):
    tombstones = Tombstones(client)
    assert tombstones.by_key("main", "k", 5, None) is Buried.GONE
    assert tombstones.by_key("main", "k", 5, None, anyhow=True) is Buried.WRITTEN


def test_they_are_bounded(client, monkeypatch: pytest.MonkeyPatch):
    accept(client, *(replace(ENTRY, id=id) for id in "abc"))
    tombstones = Tombstones(client)
    monkeypatch.setattr(module, "FIELDS_MAX", 2)
    assert [tombstones.by_id(id, 5, None) for id in "abc"] == [Buried.WRITTEN, Buried.WRITTEN, Buried.FULL]
    monkeypatch.setattr(module, "FIELDS_MAX", 9)
    monkeypatch.setattr(module, "BYTES_MAX", 17)
    assert tombstones.by_id("c", 5, None) is Buried.FULL
    monkeypatch.setattr(module, "BYTES_MAX", 10_000)
    monkeypatch.setattr(module, "FIELD_BYTES_MAX", 20)
    assert tombstones.by_id("c", 5, frozenset({"a-very-long-name"})) is Buried.FULL


def test_one_that_changed_since_it_was_read_is_not_dropped(client):
    accept(client, ENTRY, replace(ENTRY, id="b"))
    tombstones = Tombstones(client)
    tombstones.by_id("a", 5, frozenset({"ana"}))
    tombstones.by_id("b", 5, None)
    read = tombstones.of_ids(["a", "b", "zz"])
    tombstones.by_id("a", 6, frozenset({"ben"}))

    assert tombstones.drop(read) == 1
    assert tombstones.of([ENTRY]) == {"a": frozenset({"ana", "ben"})}
    assert int(client.get("journal:cancelled:bytes")) == client.hstrlen("journal:cancelled", "i a")
    assert tombstones.drop(tombstones.all()) == 1
    assert client.keys("journal:cancelled*") == []


def test_what_waits_is_known(client):
    accept(client, ENTRY, replace(ENTRY, id="b"))
    tombstones = Tombstones(client)
    assert tombstones.waiting(["a", "zz"]) == {"a"}
    assert tombstones.oldest_waiting() == "a"
    Journal(client).done(["a", "b"])
    assert tombstones.oldest_waiting() is None
