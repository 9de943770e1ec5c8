"""Rules of segments: for whom they hold, and what is refused as none, by its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.segment_rules import CONDITIONS, DEPTH, VALUES, BadRule, check_name, parse
from shared.domain.segments import Not, Person, holds
from shared.domain.zones import is_zone

ANA = Person(
    {"plan": "paid", "age": 30, "beta": True, "none": None, "list": ["paid"], "since": "2026-01-10", "1": 1},
    "Europe/Lisbon",
    "pt-BR",
)


def of(name: str, **test: Any) -> dict[str, Any]:
    return {"attribute": name, **{key.rstrip("_"): value for key, value in test.items()}}


@pytest.mark.parametrize(
    "rule",
    [
        of("plan", is_="paid"),
        of("plan", in_=["free", "paid"]),
        of("plan", not_in=["free", 1]),
        of("plan", exists=True),
        of("none", exists=False),
        of("absent", exists=False),
        of("list", exists=True),
        of("list", not_in=["paid"]),
        of("age", is_=30.0),
        of("age", gte=18, lt=65),
        of("age", gt=29.5, lte=30),
        of("since", gte="2026-01-02", lt="2026-02"),
        of("beta", is_=True),
        of("1", is_=1),
        {"timezone": {"in": ["UTC", "Europe/Lisbon"]}},
        {"timezone": {"not_in": ["UTC"]}},
        {"locale": {"is": "pt"}},
        {"locale": {"is": "PT-br"}},
        {"all": [of("plan", is_="paid"), {"any": [of("age", lt=18), {"locale": {"in": ["de", "pt"]}}]}]},
        {"not": {"all": [of("plan", is_="paid"), of("age", lt=18)]}},
    ],
    ids=str,
)
def test_it_holds(rule: dict[str, Any]) -> None:
    assert holds(parse(rule), ANA)
    assert not holds(Not(parse(rule)), ANA)


@pytest.mark.parametrize(
    "rule",
    [
        of("plan", is_="Paid"),
        of("plan", is_=1),
        of("1", is_="1"),
        of("1", is_=True),
        of("beta", is_=1),
        of("age", gte="18"),
        of("plan", gte=0),
        of("beta", gte=0),
        of("age", gte=18, lt=30),
        of("list", is_="paid"),
        of("none", not_in=["paid"]),
        of("absent", not_in=["paid"]),
        of("absent", lt=5),
        of("Plan", exists=True),
        {"locale": {"is": "pt-PT"}},
        {"locale": {"is": "br"}},
        {"timezone": {"is": "Europe/lisbon"}},
        {"any": [of("plan", is_="free"), of("age", lt=18)]},
    ],
    ids=str,
)
def test_it_does_not_hold(rule: dict[str, Any]) -> None:
    assert not holds(parse(rule), ANA)
    assert holds(parse({"not": rule}), ANA)


def test_of_who_is_not_known_nothing_holds_but_what_asks_for_that() -> None:
    nobody = Person({})
    for rule in ({"timezone": {"not_in": ["UTC"]}}, {"locale": {"is": "pt"}}, of("plan", not_in=["paid"])):
        assert not holds(parse(rule), nobody)
    assert holds(parse({"not": of("plan", is_="paid")}), nobody)
    assert holds(parse({"locale": {"exists": False}}), nobody)


def nested(levels: int) -> dict[str, Any]:
    rule = of("a", is_=1)
    for _ in range(levels):
        rule = {"not": rule}
    return rule


WORDS = "all, any, not, attribute, timezone or locale"
TESTS = "is, in, not_in or exists"


@pytest.mark.parametrize(
    ("rule", "place", "message"),
    [
        ([], "", "Must be an object."),
        ({}, "", f"Must have exactly one of {WORDS}."),
        ({"plan": "paid"}, "", f"Must have exactly one of {WORDS}."),
        ({"all": [of("a", is_=1)], "any": []}, "", f"Must have exactly one of {WORDS}."),
        ({"all": []}, "all", "Must be a list of at least one rule."),
        ({"any": of("a", is_=1)}, "any", "Must be a list of at least one rule."),
        ({"not": [of("a", is_=1)]}, "not", "Must be an object."),
        ({"all": [of("a", is_=1), 5]}, "all[1]", "Must be an object."),
        ({"not": of("a", is_=1), "is": 1}, "is", "Does not belong beside not."),
        ({"timezone": {"is": "UTC"}, "is": 1}, "is", "Does not belong beside timezone."),
        ({"any": [of("a")]}, "any[0]", "Must have at least one of is, in, not_in, exists, lt, lte, gt or gte."),
        (of("a", equals=1), "equals",
         "There is no such test here; there are is, in, not_in, exists, lt, lte, gt or gte."),
        (of(""), "attribute", "Must be the key of an attribute: 1 to 128 characters, no control characters."),
        (of("a" * 129, is_=1), "attribute", None),
        (of("a\nb", is_=1), "attribute", None),
        ({"attribute": 1, "is": 1}, "attribute", None),
        ({"all": [{"any": [of("a", gte=True)]}]}, "all[0].any[0].gte", "Must be a number or a text."),
        (of("a", gte=None), "gte", None),
        (of("a", lt=[1]), "lt", "Must be a text, a number, true or false."),
        (of("a", is_=None), "is", "Must be a text, a number, true or false; for what is not there use exists."),
        (of("a", is_=float("inf")), "is", None),
        (of("a", is_=float("nan")), "is", None),
        (of("a", is_=2**53 + 1), "is", "Beyond 9007199254740992; keep so long a number as a text."),
        (of("a", is_="x" * 257), "is", "Must be a text of at most 256 characters."),
        (of("a", in_=[]), "in", "Must be a list of 1 to 100 values."),
        (of("a", in_="x"), "in", "Must be a list of 1 to 100 values."),
        (of("a", in_=list(range(VALUES + 1))), "in", "Must be a list of 1 to 100 values."),
        (of("a", not_in=[1, {}]), "not_in[1]", "Must be a text, a number, true or false."),
        (of("a", exists=1), "exists", "Must be true or false."),
        ({"timezone": "UTC"}, "timezone", f"Must be an object of {TESTS}."),
        ({"timezone": {}}, "timezone", f"Must have at least one of {TESTS}."),
        ({"timezone": {"gt": "UTC"}}, "timezone.gt", f"There is no such test here; there are {TESTS}."),
        ({"timezone": {"in": ["UTC", "Europe/Lisbom"]}}, "timezone.in[1]",
         "Must be an IANA time zone such as Europe/Lisbon."),
        ({"timezone": {"is": 1}}, "timezone.is", None),
        ({"locale": {"is": "pt_BR"}}, "locale.is", "Must be a language tag such as pt or pt-BR."),
        ({"locale": {"is": "%"}}, "locale.is", None),
        (nested(DEPTH + 1), "not.not.not.not.not.not", "More than 5 levels of all, any and not."),
        ({"all": [of("a", is_=1)] * CONDITIONS + [of("b", is_=1)]}, "all[50]",
         "More than 50 conditions in one rule."),
        ({"all": [of("a", gte=1, lt=2)] * 26}, "all[25]", "More than 50 conditions in one rule."),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_by_its_place(rule: Any, place: str, message: str | None) -> None:
    with pytest.raises(BadRule) as error:
        parse(rule, is_zone=is_zone)

    assert error.value.place == place
    if message is not None:
        assert error.value.message == message


def test_up_to_the_bounds_it_is_one() -> None:
    parse(nested(DEPTH))
    parse({"all": [of("a", is_=1)] * CONDITIONS})
    parse(of("a" * 128, in_=["x" * 256, *range(VALUES - 1)]))
    parse(of("a", is_=2**53))


def test_a_kept_rule_is_read_whatever_zones_this_machine_knows() -> None:
    parse({"timezone": {"is": "Moon/Tranquility"}})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["all", "any", "not", "attribute", "timezone", "locale", "is", "in", "gte", "exists"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(anything)
def test_anything_is_a_rule_or_is_refused(value: Any) -> None:
    try:
        rule = parse(value)
    except BadRule:
        return
    assert holds(rule, ANA) is not holds(Not(rule), ANA)


@pytest.mark.parametrize("name", ["a", "A1", "eu:paying-2026_q1.v2", "x" * 64, "9"])
def test_a_name(name: str) -> None:
    assert check_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-a", "_a", "a b", "a/b", "ä", "a\n", "x" * 65, "a%2Fb", "#"]
)
def test_what_is_no_name(name: str) -> None:
    assert not check_name(name)
