"""Segments on each database: the rule in SQL holds exactly those for whom its twin in Python holds."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from shared.clock import to_datetime
from shared.db import Database
from shared.domain.segment_rules import BadRule, parse
from shared.domain.segments import Person, holds
from shared.models import tables as t
from shared.store import segments
from shared.store.segment_sql import condition
from tests.integration.store.support import NOW, know, make_app, make_segment

ZONES = ["Europe/Lisbon", "UTC", "America/New_York"]
LOCALES = ["pt", "pt-BR", "PT-br", "pto", "de", "pt_BR"]
KEYS = ["plan", 'a"b', "a.b", "a\\b", "ü😀", "$", "*", "[0]", "it's", "%s", ":x", " ", "\\u0041", "a'--"]
# Near each other, of every type, and such that databases like to confuse.
TEXTS = ["", "1", "1.0", "true", "null", "a", "A", "a ", "ä", "z", "é", "😀", "\uffff", '"', "\\", "'", "%", "_",
         "line\nbreak", "\x01", "\u2028", "a\\u0041", "İ", "2026-01-02", "2026-01-10"]  # fmt: skip
COUNT = 12
NUMBERS = [
    0,
    -0.0,
    1,
    1.0,
    -1,
    1.5,
    0.1,
    0.30000000000000004,
    0.3,
    2**53,
    1e-300,
    9007199254740991,
    18,
    64.99999999999999,
]
FAR = [1e300, -1e300, 2**63, 2**64 - 1, -(2**63), 9007199254740993, 5e-324]

texts = st.sampled_from(TEXTS) | st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=4
)
in_rules = st.sampled_from(NUMBERS) | st.floats(-(2.0**53), 2.0**53) | st.integers(-(2**53), 2**53)
scalars = st.booleans() | texts | in_rules
values = scalars | st.none() | st.sampled_from(FAR) | st.sampled_from([[], [1], ["a"], {}, {"plan": "a"}])


def people(keys: list[str]) -> Any:
    return st.fixed_dictionaries(
        {
            "attributes": st.dictionaries(st.sampled_from(keys), values, max_size=3),
            "timezone": st.none() | st.sampled_from(ZONES),
            "locale": st.none() | st.sampled_from(LOCALES),
        }
    )


def _tests(scalar: Any, *more: str) -> Any:
    several = st.lists(scalar, min_size=1, max_size=4)
    each = {"is": scalar, "in": several, "not_in": several, "exists": st.booleans()}
    each |= dict.fromkeys(more, texts | in_rules)
    return st.sampled_from(sorted(each)).flatmap(lambda name: each[name].map(lambda value: {name: value}))


def rule_texts(keys: list[str]) -> Any:
    attribute = st.builds(
        lambda name, test: {"attribute": name, **test},
        st.sampled_from(keys),
        _tests(scalars, "lt", "lte", "gt", "gte"),
    )
    zone = _tests(st.sampled_from(ZONES)).map(lambda test: {"timezone": test})
    locale = _tests(st.sampled_from(["pt", "PT", "pt-BR", "de", "pto"])).map(lambda test: {"locale": test})
    return st.recursive(
        attribute | attribute | attribute | zone | locale,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda each: {"all": each}),
            st.lists(inner, min_size=1, max_size=3).map(lambda each: {"any": each}),
            inner.map(lambda each: {"not": each}),
        ),
        max_leaves=6,
    ).filter(_is_rule)


def _is_rule(text: Any) -> bool:
    """The depth may be too much."""
    try:
        parse(text)
    except BadRule:
        return False
    return True


worlds = st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True).flatmap(
    lambda keys: st.tuples(
        st.lists(people(keys), min_size=COUNT, max_size=COUNT),
        st.lists(rule_texts(keys), min_size=1, max_size=8),
    )
)


@pytest.fixture
def crowd(db: Database) -> Database:
    """Users whose rows an example fills."""
    now = to_datetime(NOW)
    row = {"app_id": 1, "attributes": "{}", "created_at": now, "updated_at": now}
    rows = [{**row, "id": n, "name": f"u{n}", "name_hash": f"{n:064}"} for n in range(1, COUNT + 1)]
    db.run(lambda session: session.execute(insert(t.users), rows))
    return db


def selected(db: Database, rule: Any) -> set[int]:
    with db.session() as session:
        return set(session.scalars(select(t.users.c.id).where(condition(session, parse(rule)))))


def fill(db: Database, who: list[dict[str, Any]]) -> None:
    def write(session: Any) -> None:
        for id, person in enumerate(who, start=1):
            row = {**person, "attributes": orjson.dumps(person["attributes"]).decode()}
            session.execute(update(t.users).where(t.users.c.id == id).values(row))

    db.run(write)


def test_sql_and_python_say_the_same_of_every_user(crowd: Database) -> None:
    # Few examples of many pairs each: a round trip costs more than a pair.
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(worlds)
    def check(world: tuple[list[dict[str, Any]], list[Any]]) -> None:
        who, rules = world
        fill(crowd, who)
        for text in rules:
            rule = parse(text)
            # What the database holds is what the twin must be asked about: 2**64 may have become a float.
            right = {
                id
                for id, person in enumerate(who, start=1)
                if holds(rule, Person(**{**person, "attributes": _as_kept(person["attributes"])}))
            }
            assert selected(crowd, text) == right, text

    check()


def _as_kept(attributes: dict[str, Any]) -> Any:
    return orjson.loads(orjson.dumps(attributes))


def test_an_attribute_of_any_name_is_found_by_it_and_only_by_it(crowd: Database) -> None:
    for start in range(0, len(KEYS), COUNT):
        keys = KEYS[start : start + COUNT]
        fill(crowd, [{"attributes": {key: key}} for key in keys])
        for id, key in enumerate(keys, start=1):
            assert selected(crowd, {"attribute": key, "exists": True}) == {id}, key
            assert selected(crowd, {"attribute": key, "is": key}) == {id}, key
        fill(crowd, [{"attributes": {}}] * COUNT)


def test_every_value_is_told_from_every_other_one(crowd: Database) -> None:
    """Each pair of a value that is known and a value that a rule names, in each relation."""
    known = [*TEXTS, *NUMBERS, *FAR, True, False, None, [], {}]
    tests = [{test: value} for value in [*TEXTS, *NUMBERS] for test in ("is", "lt", "gte")] + [
        {"is": True},
        {"is": False},
        {"exists": True},
        {"exists": False},
        {"not_in": ["1", 1, True]},
    ]
    for start in range(0, len(known), COUNT):
        part = known[start : start + COUNT]
        who = [{"attributes": {'k"': value}} for value in part]
        fill(crowd, who + [{"attributes": {}}] * (COUNT - len(part)))
        people = {id: Person(each["attributes"]) for id, each in enumerate(who, start=1)}
        for test in tests:
            text = {"attribute": 'k"', **test}
            right = {id for id, person in people.items() if holds(parse(text), person)}
            absent = set(range(len(part) + 1, COUNT + 1)) if test == {"exists": False} else set()
            assert selected(crowd, text) == right | absent, text


def test_a_segment_is_made_replaced_listed_and_deleted(db: Database) -> None:
    first, second = '{"attribute":"plan","is":"paid"}', '{"attribute":"plan","is":"free"}'

    def put(name: str, rule: str, now: int) -> tuple[segments.SegmentRow, bool]:
        return db.run(lambda session: segments.put(session, 1, name, rule, now_ms=now))

    made, new = put("b", first, NOW)
    assert (made, new) == (segments.SegmentRow("b", first, to_datetime(NOW), to_datetime(NOW)), True)
    replaced, new = put("b", second, NOW + 5)
    assert (replaced.rule, replaced.created_at, new) == (second, to_datetime(NOW), False)
    assert replaced.updated_at == to_datetime(NOW + 5)
    for name in ("a", "B", "b.2", "b-1"):
        put(name, first, NOW)
    make_app(db, "other")
    with db.session() as session:
        assert [row.name for row in segments.page(session, 1)] == ["B", "a", "b", "b-1", "b.2"]
        assert [row.name for row in segments.page(session, 1, after="a", limit=2)] == ["b", "b-1"]
        assert segments.page(session, 2) == []
        assert segments.get(session, 2, "b") is None
        assert segments.missing(session, 1, ["x", "b", "x", "y"]) == ["x", "y"]
    assert db.run(lambda session: segments.remove(session, 2, "b")) is False
    assert db.run(lambda session: segments.remove(session, 1, "b")) is True
    assert db.run(lambda session: segments.remove(session, 1, "b")) is False


def test_of_many_that_make_the_same_segment_at_once_one_makes_it(db: Database) -> None:
    def put(number: int) -> bool:
        rule = orjson.dumps({"attribute": "n", "is": number}).decode()
        return db.run(lambda session: segments.put(session, 1, "same", rule, now_ms=NOW))[1]

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(put, range(12))) == [False] * 11 + [True]
    with db.session() as session:
        assert len(segments.page(session, 1)) == 1


def test_texts_are_compared_by_code_points_whatever_order_the_database_was_made_with(db: Database) -> None:
    rule = parse({"attribute": "since", "gte": "2026"})
    with db.session() as session:
        said = str(select(t.users.c.id).where(condition(session, rule)).compile(db.engine))
    order = {"postgresql": 'COLLATE "C"', "mysql": "COLLATE utf8mb4_nopad_bin", "sqlite": ""}[db.dialect]
    assert order in said


def test_a_rule_is_counted_and_sampled_among_the_users_of_its_app(db: Database) -> None:
    know(db, "ana", plan="paid")
    know(db, "bob", plan="free")
    know(db, "cyd", plan="paid")
    make_segment(db, "paid", {"attribute": "plan", "is": "paid"})
    with db.session() as session:
        rule = segments.rules(session, 1, ["paid", "none"])["paid"]
        assert segments.count(session, 1, rule) == 2
        assert segments.sample(session, 1, rule, limit=1) == ["ana"]
        assert segments.sample(session, 1, rule, limit=5) == ["ana", "cyd"]
        assert segments.count(session, 2, rule) == 0
        assert segments.rules(session, 2, ["paid"]) == {}
