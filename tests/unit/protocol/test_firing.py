"""What a schedule sends: the same entry for the same run, whoever fills it in, and nothing of it lost on the way."""

from dataclasses import replace

import pytest

from shared.protocol.firing import fired, sender, template
from shared.protocol.journal import Entry, UnknownEntryVersion

SAVED = Entry(
    id="019b7667-6c00-7000-8000-0123456789ab",
    app="shop",
    accepted_at=1,
    expires_at=2,
    request_id="r-1",
    sender="key:abcdefgh",
    priority="bulk",
    users=("ana",),
    everyone=False,
    exclude=("bob",),
    event="report.ready",
    data_json='{"n":1,"text":"a\\nb"}',
    ttl=60,
    cancel_key="c",
    tags_json='["t"]',
    topics=("news",),
    segments=("vip",),
)
RUN = {
    "schedule": "019b7667-6c00-7000-8000-000000000001",
    "id": "019b7667-6c00-7000-8000-000000000002",
    "at": 5000,
}


def test_only_id_times_and_origin_are_of_the_run():
    found = fired(template(SAVED), **RUN)
    own = {"id": RUN["id"], "accepted_at": 5000, "expires_at": 65_000, "request_id": f"run-{RUN['id']}"}
    assert found == replace(SAVED, **own, sender=sender(RUN["schedule"]))
    assert found.sender == f"schedule:{RUN['schedule']}"


def test_it_fits_the_columns_it_is_stored_in():
    found = fired(template(SAVED), **RUN)
    assert len(found.request_id) <= 64
    assert len(found.sender) <= 140


def test_whoever_fills_it_in_writes_the_same_bytes():
    assert fired(template(SAVED), **RUN).encode() == fired(template(SAVED), **RUN).encode()


def test_a_newer_version_and_nonsense_are_told_apart():
    with pytest.raises(UnknownEntryVersion):
        fired('{"v":999}\n{}', **RUN)
    for text in ("", "{", '{"v":1}\n{}', "[]\n{}"):
        with pytest.raises((ValueError, KeyError, TypeError)):
            fired(text, **RUN)
