"""Audiences by topic: who is in them, in which order, and how many, without anything being made."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.db import Database
from shared.domain.topics import patterns_for
from shared.store import audiences
from shared.store.audiences import Audience
from shared.store.users import erase
from tests.integration.store.support import NOW, dump, empty, make_app, subscribe

USERS = [f"u{number}" for number in range(8)]
TOPICS = ["a", "a/b", "a/b/c", "a-b", "A"]
PATTERNS = [*TOPICS, "a/#", "a/b/#", "#"]
Subscribed = dict[str, list[str]]

some_users = st.lists(st.sampled_from([*USERS, "stranger"]), max_size=6).map(tuple)
some_topics = st.lists(st.sampled_from(TOPICS), max_size=3).map(tuple)
some_audience = st.builds(
    Audience, users=some_users, topics=some_topics, exclude=some_users, exclude_topics=some_topics
)


def subscribe_all(db: Database, subscribed: Subscribed) -> None:
    for pattern, users in subscribed.items():
        subscribe(db, pattern, *users)


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


def expected(subscribed: Subscribed, ids: dict[str, int], audience: Audience) -> list[str]:
    """The same, from the definition."""

    def followers(topics: tuple[str, ...]) -> set[str]:
        every = {pattern for topic in topics for pattern in patterns_for(topic)}
        return {user for pattern in every for user in subscribed.get(pattern, ())}

    found = [*audience.users, *sorted(followers(audience.topics), key=lambda name: ids[name])]
    out = {*audience.exclude, *followers(audience.exclude_topics)}
    return [name for name in dict.fromkeys(found) if name not in out]


@pytest.fixture(params=[64, 2], ids=["ranges", "list"])
def ranges(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Either way to read subscribers."""
    monkeypatch.setattr(audiences, "RANGES", request.param)
    return request.param


def test_whoever_is_in_is_in_once_and_whoever_is_excluded_is_out(db: Database, ranges: int) -> None:
    # HealthCheck: the database is emptied by the example itself.
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(
        st.dictionaries(
            st.sampled_from(PATTERNS), st.lists(st.sampled_from(USERS), min_size=1, unique=True), max_size=6
        ),
        st.lists(some_audience, min_size=1, max_size=6),
        st.integers(1, 9),
    )
    def check(subscribed: Subscribed, wanted: list[Audience], chunk: int) -> None:
        empty(db)
        subscribe_all(db, subscribed)
        ids = user_ids(db)
        for audience in wanted:
            right = expected(subscribed, ids, audience)
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
        assert sorted(audiences.named(session, 1, ["a/b", "a"], limit=5)) == ["ana", "bob", "cyd"]
        assert len(audiences.named(session, 1, ["a/b", "b"], limit=2)) == 3
        assert audiences.named(session, 1, [], limit=2) == []
        assert audiences.named(session, 1, ["a/x"], limit=0) != []


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
