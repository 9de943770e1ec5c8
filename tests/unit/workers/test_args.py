"""What a job believes of its message."""

from dataclasses import fields

import pytest

from shared.protocol.jobs import Deliver, Mark, Page, Receipts, Replay
from workers.args import IDS_MAX, PoisonArgs, parse
from workers.registry import JOBS


@pytest.mark.parametrize("kind", [spec.args for spec in JOBS.values()])
def test_what_an_enqueuer_sends_is_what_a_worker_reads(kind):
    samples = {
        "ids": ["a"], "users": ["b"], "id": "a", "number": 3, "rescue": True, "app": "main", "user": "ana",
        "action": "read", "redelivered": True, "node": "n", "connection": "c", "ref": 7,
        "attempt": 1, "me": None, "all": 4, "pages": 2, "priority": "bulk", "after": 5,
    }  # fmt: skip
    args = kind(**{name: samples[name] for name in (field.name for field in fields(kind))})

    assert parse(kind, args.kwargs()) == args


@pytest.mark.parametrize(
    ("kind", "kwargs", "named"),
    [
        (Deliver, {}, "ids"),
        (Deliver, {"ids": "abc"}, "ids"),
        (Deliver, {"ids": [1]}, "ids.0"),
        (Deliver, {"ids": ["a"], "rescue": "yes"}, "rescue"),
        (Page, {"id": "a", "number": True}, "number"),
        (Page, {"id": "a", "number": "1"}, "number"),
        (Replay, {"app": "main"}, "user"),
        (Deliver, {"ids": ["a"] * (IDS_MAX + 1)}, "ids over the limit"),
        (Deliver, {"ids": ["a" * 5000]}, "ids over the limit"),
    ],
)
def test_other_shapes_are_refused_by_name_of_field(kind, kwargs, named):
    with pytest.raises(PoisonArgs) as caught:
        parse(kind, kwargs)

    assert named in caught.value.problems


def test_the_refusal_does_not_repeat_the_values():
    with pytest.raises(PoisonArgs) as caught:
        parse(Deliver, {"ids": [{"password": "hunter2"}]})

    assert "hunter2" not in str(caught.value)


def test_a_field_of_a_newer_version_is_let_through():
    assert parse(Receipts, {"later": 1}) == Receipts()


def test_ref_may_be_anything_that_json_holds():
    common = {"app": "main", "user": "u", "action": "read", "ids": [], "node": "n", "connection": "c"}

    assert parse(Mark, {**common, "ref": {"a": [1]}}).ref == {"a": [1]}
