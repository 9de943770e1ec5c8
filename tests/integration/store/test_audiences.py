"""Audiences by topic and segment: who is in them, in which order, and how many, without anything being made."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

from shared.db import Database
from shared.domain.topics import patterns_for
from shared.store import audiences, membership, segments, users
from shared.store.audiences import Audience
from shared.store.users import erase
from tests.integration.store.support import NOW, dump, empty, know, make_app, make_segment, subscribe

USERS = [f"u{number}" for number in range(8)]
TOPICS = ["a", "a/b", "a/b/c", "a-b", "A"]
PATTERNS = [*TOPICS, "a/#", "a/b/#", "#"]
Subscribed = dict[str, list[str]]

some_users = st.lists(st.sampled_from([*USERS, "stranger"]), max_size=6).map(tuple)
some_topics = st.lists(st.sampled_from(TOPICS), max_size=3).map(tuple)
SEGMENTS: dict[str, dict[str, Any]] = {
    "even": {"attribute": "n", "in": [0, 2, 4, 6, 8]},
    "big": {"attribute": "n", "gte": 5},
    "unknown": {"not": {"attribute": "n", "exists": True}},
    "nobody": {"attribute": "n", "is": "1"},
}
some_segments = st.lists(st.sampled_from([*SEGMENTS, "no-such"]), max_size=3).map(tuple)
some_audience = st.builds(
    Audience,
    users=some_users,
    topics=some_topics,
    exclude=some_users,
    exclude_topics=some_topics,
    segments=some_segments,
    exclude_segments=some_segments,
    everyone=st.sampled_from([False, False, False, True]),
)
Knowledge = dict[str, int]


def subscribe_all(db: Database, subscribed: Subscribed) -> None:
    for pattern, followers in subscribed.items():
        subscribe(db, pattern, *followers)


def parts(db: Database, audience: Audience, chunk: int = 1000) -> list[list[str]]:
    with db.session() as session:
        return list(audiences.names(session, 1, audience, chunk=chunk))


def names(db: Database, audience: Audience, chunk: int = 1000) -> list[str]:
    return [name for part in parts(db, audience, chunk) for name in part]


def count(db: Database, audience: Audience) -> int:
    with db.session() as session:
        return audiences.count(session, 1, audience)


def user_ids(db: Database) -> dict[str, int]:
    return {row[2]: row[0] for row in dump(db)["users"]}


def expected(
    subscribed: Subscribed, numbers: Knowledge, ids: dict[str, int], audience: Audience
) -> list[str]:
    """The same, from the definition."""
    chosen = {
        "even": {name for name in ids if numbers.get(name, 1) % 2 == 0},
        "big": {name for name in ids if numbers.get(name, 0) >= 5},
        "unknown": {name for name in ids if name not in numbers},
    }

    def followers(topics: tuple[str, ...]) -> set[str]:
        every = {pattern for topic in topics for pattern in patterns_for(topic)}
        return {user for pattern in every for user in subscribed.get(pattern, ())}

    def members(names: tuple[str, ...]) -> set[str]:
        return {user for name in names for user in chosen.get(name, ())}

    inside = followers(audience.topics) | members(audience.segments) | set(ids if audience.everyone else ())
    found = [*audience.users, *sorted(inside, key=lambda name: ids[name])]
    out = {*audience.exclude, *followers(audience.exclude_topics), *members(audience.exclude_segments)}
    return [name for name in dict.fromkeys(found) if name not in out]


def learn(session: Session, numbers: Knowledge) -> None:
    """What is known of users and the segments over it, in one transaction: each costs a wait for the disk."""
    for name, number in numbers.items():
        values = {"attributes": orjson.dumps({"n": number}).decode()}
        users.upsert(session, 1, name, values, now_ms=NOW)
    for name, rule in SEGMENTS.items():
        segments.put(session, 1, name, orjson.dumps(rule).decode(), now_ms=NOW)


@pytest.fixture(params=[64, 2], ids=["ranges", "list"])
def ranges(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Either way to read subscribers, and users in windows that end within an audience."""
    monkeypatch.setattr(membership, "RANGES", request.param)
    monkeypatch.setattr(membership, "WINDOW", 3)
    return request.param


def test_whoever_is_in_is_in_once_and_whoever_is_excluded_is_out(db: Database, ranges: int) -> None:
    # HealthCheck: the database is emptied by the example itself.
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(
        st.dictionaries(
            st.sampled_from(PATTERNS), st.lists(st.sampled_from(USERS), min_size=1, unique=True), max_size=6
        ),
        st.dictionaries(st.sampled_from(USERS), st.integers(0, 9), max_size=8),
        st.lists(some_audience, min_size=1, max_size=6),
        st.integers(1, 9),
    )
    def check(subscribed: Subscribed, numbers: Knowledge, wanted: list[Audience], chunk: int) -> None:
        empty(db)
        subscribe_all(db, subscribed)
        db.run(lambda session: learn(session, numbers))
        ids = user_ids(db)
        for audience in wanted:
            right = expected(subscribed, numbers, ids, audience)
            found = parts(db, audience, chunk)
            assert [name for part in found for name in part] == right
            assert all(1 <= len(part) <= chunk for part in found)
            assert count(db, audience) == len(right)

    check()


def test_subscribers_far_apart_are_read_once_each_step_by_step(db: Database, ranges: int) -> None:
    strangers = [f"u{number}" for number in range(40)]
    subscribe_all(db, {"other": strangers, "a": strangers[::7], "a/#": strangers[::5], "#": strangers[3:4]})
    ids = user_ids(db)
    wanted = sorted({*strangers[::7], *strangers[::5], strangers[3]}, key=lambda name: ids[name])

    assert [names(db, Audience(topics=("a",)), chunk) for chunk in (1, 2, 3, 100)] == [wanted] * 4


def test_a_preview_makes_nobody(db: Database) -> None:
    subscribe_all(db, {"a/#": ["ana", "bob"]})
    before = dump(db)
    audience = Audience(users=("nobody-yet", "ana"), topics=("a/b",), exclude=("other",))

    with db.session() as session:
        assert audiences.count(session, 1, audience) == 3
        assert audiences.sample(session, 1, audience, limit=2) == ["nobody-yet", "ana"]
        assert audiences.sample(session, 1, audience, limit=10) == ["nobody-yet", "ana", "bob"]
    assert dump(db) == before


def test_a_sample_looks_on_until_it_has_enough(db: Database) -> None:
    many = [f"u{number}" for number in range(300)]
    subscribe_all(db, {"a": many})
    last = max(user_ids(db).items(), key=lambda item: item[1])[0]
    audience = Audience(topics=("a",), exclude=tuple(name for name in many if name != last))

    with db.session() as session:
        assert audiences.sample(session, 1, audience, limit=3) == [last]


def test_the_subscribers_of_topics_are_named_until_there_are_too_many(db: Database) -> None:
    subscribe_all(db, {"a/#": ["ana", "bob"], "a/b": ["bob", "cyd"], "b": ["dan"]})

    with db.session() as session:

        def named(*topics: str, limit: int) -> list[str]:
            return audiences.named(session, 1, Audience(topics=topics), limit=limit)

        assert sorted(named("a/b", "a", limit=5)) == ["ana", "bob", "cyd"]
        assert len(named("a/b", "b", limit=2)) == 3
        assert named(limit=2) == []
        assert named("a/x", limit=0) != []


def test_no_letter_of_a_topic_is_a_wildcard_of_the_database(db: Database) -> None:
    subscribe_all(db, {"a_b": ["ana"], "axb": ["bob"], "A_B": ["cyd"], "a_b/#": ["dan"]})

    assert sorted(names(db, Audience(topics=("a_b",)))) == ["ana", "dan"]


def test_another_app_is_not_asked(db: Database) -> None:
    make_app(db, "other")
    other = next(id for id, name, *_ in dump(db)["apps"] if name == "other")
    subscribe(db, "a", "ana", "bob", app_id=other)
    subscribe_all(db, {"a": ["ana"], "b": ["ana"]})

    assert names(db, Audience(topics=("a",))) == ["ana"]
    # What ana of the other app follows excludes nobody here.
    subscribe(db, "muted", "ana", app_id=other)
    assert names(db, Audience(users=("ana",), topics=("a",), exclude_topics=("muted",))) == ["ana"]
    assert count(db, Audience(users=("bob",), topics=("a",), exclude=("ana",))) == 1


def test_an_erased_user_is_in_no_audience(db: Database) -> None:
    subscribe_all(db, {"a": ["ana", "bob"]})
    db.run(lambda session: erase(session, 1, "ana", now_ms=NOW))

    assert names(db, Audience(topics=("a",))) == ["bob"]
    assert count(db, Audience(topics=("a",))) == 1


def test_a_hundred_topics_of_sixteen_segments_are_asked_for_at_once(db: Database) -> None:
    deep = [f"{number}/" + "/".join("abcdefghijklmno") for number in range(100)]
    subscribe_all(db, {"7/a/b/#": ["ana"], deep[99]: ["bob"], "100/#": ["cyd"]})

    assert sorted(names(db, Audience(topics=tuple(deep)))) == ["ana", "bob"]
    assert count(db, Audience(topics=tuple(deep), exclude_topics=tuple(deep[:50]))) == 1


def test_users_far_apart_are_read_window_by_window(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "WINDOW", 10)
    many = [f"u{number:03}" for number in range(45)]
    subscribe_all(db, {"other": many, "a": many[30:32], "muted": many[7:9]})
    for name in many[::7]:
        know(db, name, plan="paid")
    make_segment(db, "paid", {"attribute": "plan", "is": "paid"})
    ids = user_ids(db)
    wanted = sorted({*many[::7], *many[30:32]} - set(many[7:9]), key=lambda name: ids[name])
    audience = Audience(topics=("a",), segments=("paid",), exclude_topics=("muted",))

    assert [names(db, audience, chunk) for chunk in (1, 2, 100)] == [wanted] * 3
    everyone = sorted(set(many) - set(many[::7]), key=lambda name: ids[name])
    assert names(db, Audience(everyone=True, exclude_segments=("paid",)), 7) == everyone


def test_a_step_reads_no_more_users_than_its_window(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "WINDOW", 500)
    subscribe_all(db, {"other": [f"u{number}" for number in range(3000)]})
    make_app(db, "other")
    make_segment(db, "some", {"attribute": "n", "is": 1})
    statements: list[tuple[str, Any]] = []
    with db.session() as session:
        connection = session.connection()

        def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            statements.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        assert list(audiences.names(session, 1, Audience(segments=("some",)), chunk=1000)) == []
        event.remove(connection, "before_cursor_execute", note)
        steps = [each for each in statements if "users.name" in each[0]]
        # 500, 1000, 2000 ids and so on: nobody is found, so the steps grow.
        assert 2 <= len(steps) <= 12
        plans = [_plan(connection, db.dialect, *each) for each in steps]
    assert not [plan for plan in plans if not _reads_a_window(db.dialect, plan)]


def _plan(connection: Connection, dialect: str, statement: str, parameters: Any) -> str:
    words = {"postgresql": "EXPLAIN (COSTS OFF)", "mysql": "EXPLAIN", "sqlite": "EXPLAIN QUERY PLAN"}[dialect]
    return " ".join(map(str, connection.exec_driver_sql(f"{words} {statement}", parameters)))


def _reads_a_window(dialect: str, plan: str) -> bool:
    """Whether it goes by ids, and not by an index on names, in which no window is one range."""
    match dialect:
        case "postgresql":
            # A window that is the whole of a small table may be read as such.
            return "uq_users" not in plan
        case "mysql":
            return "'PRIMARY'" in plan and "filesort" not in plan
        case _:
            return "USING INTEGER PRIMARY KEY" in plan and "TEMP B-TREE" not in plan


def test_a_deleted_segment_has_nobody_in_it(db: Database) -> None:
    know(db, "ana", plan="paid")
    make_segment(db, "paid", {"attribute": "plan", "is": "paid"})
    assert names(db, Audience(segments=("paid", "paid"), users=("bob",))) == ["bob", "ana"]

    db.run(lambda session: segments.remove(session, 1, "paid"))
    assert names(db, Audience(segments=("paid",), users=("bob", "ana"), exclude_segments=("paid",))) == [
        "bob",
        "ana",
    ]


def test_an_erased_user_and_one_of_another_app_are_in_no_segment(db: Database) -> None:
    know(db, "ana")
    know(db, "bob")
    make_segment(db, "all", {"not": {"attribute": "plan", "exists": True}})
    make_app(db, "other")
    other = next(id for id, name, *_ in dump(db)["apps"] if name == "other")
    subscribe(db, "a", "cyd", app_id=other)
    make_segment(db, "theirs", {"attribute": "plan", "exists": False}, app_id=other)
    db.run(lambda session: erase(session, 1, "ana", now_ms=NOW))

    for audience in (Audience(segments=("all", "theirs")), Audience(everyone=True)):
        assert names(db, audience) == ["bob"]
        assert count(db, audience) == 1
    assert names(db, Audience(segments=("theirs",))) == []
