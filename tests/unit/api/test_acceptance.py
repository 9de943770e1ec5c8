"""api.acceptance: what is refused before anything is kept, and what is kept of what is asked."""

from dataclasses import dataclass, field

import gevent
import orjson
import pytest

from api.acceptance import Acceptance, Limits, Origin, read_key
from api.audiences import Excluded, Lookups, Names
from api.intake import GroupLimits, Intake
from shared.db import DatabaseUnavailable
from shared.errors import (
    BodyTooLarge,
    IdempotencyMismatch,
    InvalidRequest,
    NotSupported,
    Unavailable,
)
from tests.unit.api.fakes import NOW, FakeClock, FakeJournal, FakeQueue, counting_random

ORIGIN = Origin(app="main", sender="key:abcdefgh", request_id="r-1", route="/v1/notifications")
ASKED = {"to": {"users": ["ana"]}, "event": "order.paid"}


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@dataclass
class Subscribers:
    """Who is subscribed to what or in which segment; each question is remembered."""

    of: dict[str, list[str]] = field(default_factory=dict)
    away: bool = False
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def left_out(self, app: str, out: Excluded) -> Names:
        self._ask((*out.topics, *out.segments))
        return (
            *out.users,
            *(name for each in (*out.topics, *out.segments) for name in self.of.get(each, ())),
        )

    def missing(self, app: str, names: Names) -> Names:
        self._ask(names)
        return tuple(name for name in names if name not in self.of)

    def _ask(self, names: Names) -> None:
        self.asked.append(names)
        if self.away:
            raise DatabaseUnavailable(retry_after=2)


@pytest.fixture
def subscribers() -> Subscribers:
    return Subscribers()


@pytest.fixture
def acceptance(journal: FakeJournal, subscribers: Subscribers) -> Acceptance:
    limits = Limits(
        ttl_default=86_400, ttl_max=2_592_000, entry_max=1000, batch_items=5, send_ahead_max=86_400
    )
    intake = Intake(journal.accept, FakeQueue().enqueue, GroupLimits())
    lookups = Lookups(subscribers.left_out, subscribers.missing)
    return Acceptance(intake, limits, lookups=lookups, clock=FakeClock(), random=counting_random())


def asked(**changes):
    return {**ASKED, **changes}


def field_of(error) -> str:
    (problem,) = error.value.detail
    return problem["field"]


def test_the_entry_holds_what_was_asked_and_who_asked(acceptance, journal):
    answered = acceptance.one(
        {
            "to": {"users": ["ana", "bob"], "exclude": {"users": ["bob"]}},
            "event": "order.paid",
            "data": {"n": 1, "text": "ü"},
            "priority": "critical",
            "ttl": 60,
            "collapse_key": "c",
            "cancel_key": "x",
            "thread_key": "t",
            "tags": ["a"],
        },
        ORIGIN,
        None,
    )

    (entry,) = journal.decoded()
    assert orjson.loads(answered.body) == {"id": entry.id, "status": "accepted"}
    assert (entry.users, entry.exclude, entry.everyone) == (("ana", "bob"), ("bob",), False)
    assert (entry.accepted_at, entry.expires_at, entry.ttl) == (NOW, NOW + 60_000, 60)
    assert (entry.app, entry.sender, entry.request_id) == ("main", "key:abcdefgh", "r-1")
    assert orjson.loads(entry.data_json) == {"n": 1, "text": "ü"}
    assert (entry.priority, entry.tags_json) == ("critical", '["a"]')
    assert (entry.collapse_key, entry.cancel_key, entry.thread_key) == ("c", "x", "t")


def test_what_is_left_out_has_its_default(acceptance, journal):
    acceptance.one(ASKED, ORIGIN, None)

    (entry,) = journal.decoded()
    assert (entry.priority, entry.ttl, entry.data_json, entry.tags_json) == ("normal", 86_400, "{}", "[]")
    assert entry.collapse_key is entry.cancel_key is entry.thread_key is None


def test_everyone_needs_no_names_and_may_exclude_some(acceptance, journal):
    acceptance.one({"to": {"everyone": True, "exclude": {"users": ["bob"]}}, "event": "e"}, ORIGIN, None)

    (entry,) = journal.decoded()
    assert (entry.everyone, entry.users, entry.exclude) == (True, (), ("bob",))


@pytest.mark.parametrize(
    ("to", "field"),
    [
        ({}, "to"),
        ({"users": []}, "to"),
        ({"everyone": False}, "to"),
        ({"exclude": {"users": ["bob"]}}, "to"),
        ({"topics": [], "exclude": {"topics": ["news"]}}, "to"),
        ({"everyone": True, "users": ["ana"]}, "to.users"),
        ({"everyone": True, "topics": ["news"]}, "to.topics"),
        ({"everyone": True, "segments": ["s"]}, "to.segments"),
        ({"segments": [], "exclude_actor": "ana"}, "to"),
    ],
)
def test_an_audience_that_says_nothing_or_two_things_is_refused(acceptance, to, field):
    with pytest.raises(InvalidRequest) as error:
        acceptance.one({"to": to, "event": "e"}, ORIGIN, None)

    assert field_of(error) == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": {"conversation": "c"}}, "to.conversation"),
    ],
)
def test_what_is_not_served_yet_is_refused_by_name(acceptance, journal, change, field):
    with pytest.raises(NotSupported) as error:
        acceptance.one(asked(**change), ORIGIN, None)

    assert field_of(error) == field
    assert journal.entries == {}


def test_fields_that_are_not_served_yet_may_be_there_and_empty(acceptance, journal):
    exclude = {"topics": [], "segments": []}
    to = {"users": ["ana"], "topics": [], "segments": [], "conversation": None, "exclude_actor": None}
    to |= {"exclude": exclude}
    acceptance.one({"to": to, "event": "e", "send_at": None, "send_at_zone": None}, ORIGIN, None)

    assert len(journal.entries) == 1


def test_topics_are_kept_as_they_were_sent_and_nobody_is_asked_who_is_subscribed(
    acceptance, journal, subscribers
):
    subscribers.away = True
    to = {"users": ["ana"], "topics": ["a/b", "c"], "exclude": {"users": ["bob"], "topics": ["d"]}}
    acceptance.one({"to": to, "event": "e"}, ORIGIN, None)
    acceptance.one({"to": {"topics": ["a/b"]}, "event": "e"}, ORIGIN, None)

    both, topic = journal.decoded()
    assert (both.users, both.topics) == (("ana",), ("a/b", "c"))
    assert (both.exclude, both.exclude_topics) == (("bob",), ("d",))
    assert (topic.users, topic.topics, topic.exclude_topics) == ((), ("a/b",), ())
    assert subscribers.asked == []


def test_everyone_less_a_topic_is_kept_as_everyone_less_its_subscribers(acceptance, journal, subscribers):
    subscribers.of["beta"] = ["cy", "eve"]
    to = {"everyone": True, "exclude": {"users": ["bob"], "topics": ["beta"]}}
    acceptance.one({"to": to, "event": "e"}, ORIGIN, None)

    (entry,) = journal.decoded()
    assert (entry.everyone, entry.exclude) == (True, ("bob", "cy", "eve"))
    assert (entry.topics, entry.exclude_topics) == ((), ())


def test_without_the_database_everyone_less_a_topic_is_refused_and_nothing_else(
    acceptance, journal, subscribers
):
    subscribers.away = True
    less = asked(to={"everyone": True, "exclude": {"topics": ["beta"]}})
    with pytest.raises(Unavailable):
        acceptance.one(less, ORIGIN, "k")
    for to in ({"everyone": True, "exclude": {"users": ["bob"]}}, {"everyone": True}, {"topics": ["beta"]}):
        acceptance.one({"to": to, "event": "e"}, ORIGIN, None)
    assert len(journal.entries) == 3

    subscribers.away = False
    assert not acceptance.one(less, ORIGIN, "k").replayed


def test_a_batch_that_needs_the_database_while_it_is_away_is_refused_whole_and_may_be_repeated(
    acceptance, journal, subscribers
):
    subscribers.away = True
    items = [ASKED, asked(to={"everyone": True, "exclude": {"topics": ["beta"]}})]
    with pytest.raises(Unavailable):
        acceptance.many(items, ORIGIN, "k")
    assert journal.entries == {}

    subscribers.away = False
    assert not acceptance.many(items, ORIGIN, "k").replayed
    assert len(journal.entries) == 2


def test_a_batch_asks_once_for_all_that_leave_out_the_same(acceptance, journal, subscribers):
    less = asked(to={"everyone": True, "exclude": {"topics": ["beta"]}})
    acceptance.many([less, less, ASKED, less], ORIGIN, None)

    assert len(journal.entries) == 4
    assert subscribers.asked == [("beta",)]


def test_segments_are_kept_by_name_and_only_those_that_exist_are_taken(acceptance, journal, subscribers):
    subscribers.of |= {"paid": [], "beta": []}
    to = {"segments": ["paid", "beta"], "exclude": {"segments": ["beta"]}}
    acceptance.one({"to": to, "event": "e"}, ORIGIN, None)

    (entry,) = journal.decoded()
    assert (entry.segments, entry.exclude_segments) == (("paid", "beta"), ("beta",))
    assert subscribers.asked == [("paid", "beta")]

    to = {"segments": ["paid", "x"], "exclude": {"segments": ["y", "beta", "x"]}}
    with pytest.raises(InvalidRequest) as error:
        acceptance.one({"to": to, "event": "e"}, ORIGIN, None)
    assert error.value.detail == [
        {"field": "to.segments[1]", "message": "There is no segment x."},
        {"field": "to.exclude.segments[0]", "message": "There is no segment y."},
        {"field": "to.exclude.segments[2]", "message": "There is no segment x."},
    ]
    assert len(journal.entries) == 1


def test_everyone_less_a_segment_is_kept_as_everyone_less_its_users(acceptance, journal, subscribers):
    subscribers.of |= {"paid": ["cy"], "beta": ["eve"]}
    exclude = {"users": ["bob"], "topics": ["beta"], "segments": ["paid"]}
    to = {"everyone": True, "exclude": exclude, "exclude_actor": "ana"}
    acceptance.one({"to": to, "event": "e"}, ORIGIN, None)

    (entry,) = journal.decoded()
    assert (entry.everyone, entry.exclude) == (True, ("bob", "eve", "cy", "ana"))
    assert (entry.segments, entry.exclude_segments, entry.exclude_topics) == ((), (), ())


@pytest.mark.parametrize("exclude", [["bob"], ["bob", "ana"], [], None])
def test_the_actor_is_left_out_beside_whoever_else_is(acceptance, journal, subscribers, exclude):
    subscribers.away = True
    to = {"users": ["ana", "bob", "cy"], "exclude_actor": "ana"}
    to |= {} if exclude is None else {"exclude": {"users": exclude}}
    acceptance.one({"to": to, "event": "e"}, ORIGIN, None)

    (entry,) = journal.decoded()
    assert entry.exclude == tuple(dict.fromkeys([*(exclude or ()), "ana"]))
    assert subscribers.asked == []


def test_the_actor_comes_on_top_of_a_thousand(acceptance, journal):
    exclude = {"users": [f"u{number}" for number in range(1000)]}
    for to in ({"users": ["ana"]}, {"everyone": True}):
        acceptance.one({"to": {**to, "exclude": exclude, "exclude_actor": "ana"}, "event": "e"}, ORIGIN, None)

    assert [len(entry.exclude) for entry in journal.decoded()] == [1001, 1001]


def test_without_the_database_a_segment_cannot_be_checked_and_a_batch_may_be_repeated(
    acceptance, journal, subscribers
):
    subscribers.of["paid"] = []
    subscribers.away = True
    items = [ASKED, asked(to={"segments": ["paid"]}), asked(to={"segments": ["x"]})]
    with pytest.raises(Unavailable):
        acceptance.one(items[1], ORIGIN, "k")
    with pytest.raises(Unavailable):
        acceptance.many(items, ORIGIN, "k")
    assert journal.entries == {}

    subscribers.away = False
    answered = acceptance.many([*items, *items[1:]], ORIGIN, "k")
    assert not answered.replayed
    assert len(journal.entries) == 3
    assert subscribers.asked[2:] == [("paid",), ("x",)]


def test_a_ttl_above_the_setting_is_refused(acceptance):
    with pytest.raises(InvalidRequest) as error:
        acceptance.one(asked(ttl=2_592_001), ORIGIN, None)

    assert field_of(error) == "ttl"


def test_data_above_the_limit_is_refused(acceptance):
    with pytest.raises(BodyTooLarge):
        acceptance.one(asked(data={"x": "y" * 1000}), ORIGIN, None)


def test_the_same_key_and_body_get_the_first_answer_in_whatever_order_the_fields_stand(acceptance, journal):
    first = acceptance.one(asked(data={"a": 1, "b": 2}), ORIGIN, "k")
    again = acceptance.one({"data": {"b": 2, "a": 1}, **ASKED}, ORIGIN, "k")

    assert (first.replayed, again.replayed) == (False, True)
    assert first.body == again.body
    assert len(journal.entries) == 1


def test_the_same_key_with_another_body_is_refused(acceptance):
    acceptance.one(ASKED, ORIGIN, "k")

    with pytest.raises(IdempotencyMismatch):
        acceptance.one(asked(event="other"), ORIGIN, "k")


@pytest.mark.parametrize("change", [{"app": "shop"}, {"route": "/v1/notifications/batch"}])
def test_a_key_counts_per_app_and_route(acceptance, journal, change):
    values = {name: getattr(ORIGIN, name) for name in ("app", "sender", "request_id", "route")}
    acceptance.one(ASKED, ORIGIN, "k")
    answered = acceptance.one(ASKED, Origin(**{**values, **change}), "k")

    assert not answered.replayed
    assert len(journal.entries) == 2


def test_a_full_journal_says_when_to_come_back(acceptance, journal):
    journal.room = 0

    with pytest.raises(Unavailable) as error:
        acceptance.one(ASKED, ORIGIN, None)
    assert error.value.retry_after


def test_a_batch_answers_for_each_in_order(acceptance, journal):
    answered = acceptance.many(
        [ASKED, {"event": "e"}, asked(ttl=False), asked(to={"conversation": "c"}), ASKED], ORIGIN, None
    )

    items = orjson.loads(answered.body)["items"]
    assert [item.get("status") or item["error"]["code"] for item in items] == [
        "accepted", "invalid_request", "invalid_request", "not_supported", "accepted",
    ]  # fmt: skip
    assert items[2]["error"]["detail"][0]["field"] == "ttl"
    assert items[1]["error"]["request_id"] == "r-1"
    assert [entry.id for entry in journal.decoded()] == [items[0]["id"], items[4]["id"]]


def test_a_batch_of_nothing_good_keeps_nothing(acceptance, journal):
    answered = acceptance.many([1, None, "x"], ORIGIN, None)

    assert len(orjson.loads(answered.body)["items"]) == 3
    assert journal.groups == []


def test_one_key_covers_a_whole_batch_its_errors_included(acceptance, journal):
    first = acceptance.many([ASKED, {}], ORIGIN, "k")
    again = acceptance.many([ASKED, {}], ORIGIN, "k")

    assert (again.replayed, again.body) == (True, first.body)
    assert len(journal.entries) == 1


def test_a_batch_has_a_limit(acceptance):
    with pytest.raises(InvalidRequest):
        acceptance.many([ASKED] * 6, ORIGIN, None)


def test_ids_are_unique_within_the_same_millisecond(acceptance, journal):
    tasks = [gevent.spawn(acceptance.one, ASKED, ORIGIN, None) for _ in range(100)]
    gevent.joinall(tasks, timeout=5, raise_error=True)

    assert len(journal.entries) == 100


@pytest.mark.parametrize("key", ["", " ", "a b", "ü", "x" * 201, "a\tb"])
def test_a_key_that_is_no_plain_word_is_refused(key):
    with pytest.raises(InvalidRequest) as error:
        read_key(key)

    assert field_of(error) == "Idempotency-Key"


def test_a_plain_key_is_taken_and_none_is_needed():
    assert read_key("order-17:paid/1") == "order-17:paid/1"
    assert read_key(None) is None
