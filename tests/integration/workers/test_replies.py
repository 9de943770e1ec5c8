"""The answers that workers owe to clients who wait until what they sent is published."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from shared.protocol import envelope
from shared.protocol.jobs import Deliver, Page
from tests.integration.workers.conftest import MakeStage
from tests.integration.workers.support import Stage, entry, eventually
from workers import replies
from workers.jobs import deliver, page


def test_an_answer_is_owed_when_a_rescue_publishes_and_when_it_is_given_up(stage: Stage):
    deps = stage.deps()
    asked = replace(entry("ana"), reply_to=("n1.2a", 7))
    stage.accept(asked)
    deliver.run(deps, Deliver(ids=[asked.id], rescue=True))
    [reply] = eventually(lambda: stage.node.of(envelope.Reply))
    assert reply.connection == "n1.2a"
    assert orjson.loads(reply.frame) == {
        "type": "reply",
        "result": {"id": asked.id, "status": "sent"},
        "ref": 7,
    }


def test_a_big_audience_is_answered_with_its_last_page(
    make_stage: MakeStage, redis_url: str, postgresql: str
):
    stage = make_stage(redis_url, postgresql, page_size="2")
    deps = stage.deps()
    asked = replace(entry("a", "b", "c"), reply_to=("n1.1", "r"))
    stage.accept(asked)
    deliver.run(deps, Deliver(ids=[asked.id]))
    assert stage.node.of(envelope.Reply) == []
    page.run(deps, Page(id=asked.id, number=0))
    stage.node.poll()
    assert stage.node.of(envelope.Reply) == []
    page.run(deps, Page(id=asked.id, number=1))
    [reply] = eventually(lambda: stage.node.of(envelope.Reply))
    assert orjson.loads(reply.frame)["result"] == {"id": asked.id, "status": "sent"}


def test_what_ends_as_a_dead_letter_is_told_to_who_waits(
    make_stage: MakeStage, redis_url: str, postgresql: str
):
    stage = make_stage(redis_url, postgresql, attempts_max="1")
    asked = replace(entry("ana", event="x" * 400), reply_to=("n1.1", 1))
    stage.accept(asked)
    deliver.run(stage.deps(), Deliver(ids=[asked.id]))
    [reply] = eventually(lambda: stage.node.of(envelope.Reply))
    doc = orjson.loads(reply.frame)
    assert (doc["type"], doc["code"], doc["ref"], doc["retryable"]) == ("error", "failed", 1, False)


def test_who_waits_hears_before_the_journal_forgets_and_again_from_a_copy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """A worker that dies after its commit: either it has answered, or its copy does."""
    deps = stage.deps()
    asked = replace(entry("ana"), reply_to=("n1.2a", 7))
    stage.accept(asked)
    with monkeypatch.context() as dying:
        dying.setattr(deps.journal, "finish", _die)
        with pytest.raises(Died):
            deliver.run(deps, Deliver(ids=[asked.id]))
    assert len(eventually(lambda: stage.node.of(envelope.Reply))) == 1

    deliver.run(deps, Deliver(ids=[asked.id], redelivered=True))
    assert len(eventually(lambda: stage.node.of(envelope.Reply)[1:])) == 1


def test_a_worker_that_dies_before_it_has_answered_leaves_that_to_its_copy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    deps = stage.deps()
    asked = replace(entry("ana"), reply_to=("n1.2a", 7))
    stage.accept(asked)
    with monkeypatch.context() as dying:
        dying.setattr(replies, "stored", _die)
        with pytest.raises(Died):
            deliver.run(deps, Deliver(ids=[asked.id]))
    assert stage.node.of(envelope.Reply) == []

    deliver.run(deps, Deliver(ids=[asked.id], redelivered=True))
    [reply] = eventually(lambda: stage.node.of(envelope.Reply))
    assert orjson.loads(reply.frame)["result"] == {"id": asked.id, "status": "sent"}


class Died(BaseException):
    """The process is gone."""


def _die(*_: Any, **__: Any) -> None:
    raise Died
