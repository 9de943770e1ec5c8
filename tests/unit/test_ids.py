"""Ids sort by time and are valid UUIDv7."""

import uuid

from shared.ids import is_uuid7, uuid7


def test_an_id_is_a_uuid_of_version_7_and_carries_its_time():
    made = uuid7(1_763_625_600_123, b"\xff" * 10)

    parsed = uuid.UUID(made)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert int(made.replace("-", "")[:12], 16) == 1_763_625_600_123
    assert is_uuid7(made)


def test_a_later_id_sorts_after_an_earlier_one_whatever_the_randomness():
    assert uuid7(1_000, b"\xff" * 10) < uuid7(1_001, b"\x00" * 10)


def test_different_randomness_makes_different_ids():
    assert len({uuid7(1, bytes([n]) * 10) for n in range(256)}) == 256


def test_other_spellings_are_refused():
    made = uuid7(1, b"\x01" * 10)
    for wrong in (
        made.upper() if made.upper() != made else "X",
        made[:-1],
        made + "0",
        made.replace("-", ""),
        "",
        made + "\n",
    ):
        assert not is_uuid7(wrong)
