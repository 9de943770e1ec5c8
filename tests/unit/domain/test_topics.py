"""Topics, patterns, and which match which."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain.topics import check_pattern, check_topic, patterns_for

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@=,~-"
# Few letters and segments, so that two drawn at random often match, nearly match, or begin alike.
near_segments = st.sampled_from(["a", "b", "ab", "a-", "A"])
near_topics = st.lists(near_segments, min_size=1, max_size=4).map("/".join)
near_patterns = st.one_of(near_topics, near_topics.map(lambda topic: topic + "/#"), st.just("#"))
topics = st.lists(st.text(ALPHABET, min_size=1, max_size=64), min_size=1, max_size=16).map("/".join)


def matches(pattern: str, topic: str) -> bool:
    """As MQTT defines it, segment by segment."""
    wanted, given = pattern.split("/"), topic.split("/")
    while wanted and wanted != ["#"]:
        if not given or wanted[0] != given[0]:
            return False
        wanted, given = wanted[1:], given[1:]
    return bool(wanted) or not given


@given(near_patterns, near_topics)
def test_the_patterns_of_a_topic_are_those_that_match_it(pattern: str, topic: str) -> None:
    assert (pattern in patterns_for(topic)) is matches(pattern, topic)


@given(topics)
def test_every_pattern_of_a_topic_is_one_that_can_be_subscribed_to_and_stands_once(topic: str) -> None:
    assume(len(topic) <= 255)
    assert check_topic(topic)

    found = patterns_for(topic)

    assert all(check_pattern(pattern) for pattern in found)
    assert len(set(found)) == len(found) <= 18


def test_the_patterns_of_a_build() -> None:
    assert set(patterns_for("project/42/build")) == {
        "project/42/build",
        "project/42/build/#",
        "project/42/#",
        "project/#",
        "#",
    }


@pytest.mark.parametrize(
    "topic",
    ["a", "project/42/build", ALPHABET[:64], ALPHABET[6:], "/".join("a" * 16), "x" * 64 + "/b", "...", "~/-"],
)
def test_a_topic_can_be_sent_to_and_subscribed_to(topic: str) -> None:
    assert check_topic(topic)
    assert check_pattern(topic)
    assert check_pattern(topic + "/#")


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "/a", "a/", "a//b", "a b", "a\n", "a/b\n", "ä", "a+b", "+", "a/+", "a%2fb", "a\\b", "a\0", "٣",
        "x" * 65, "/".join("a" * 17), "a*", "a#", "#a", "a/#/b", "#/#", "##", "a/##",
        "/".join(["x" * 64] * 4),
    ],
)  # fmt: skip
def test_what_is_no_topic_is_no_pattern_either(text: str) -> None:
    assert not check_topic(text)
    assert not check_pattern(text)


@pytest.mark.parametrize("pattern", ["#", "a/#", "/".join("a" * 16) + "/#"])
def test_a_wildcard_is_subscribed_to_and_never_sent_to(pattern: str) -> None:
    assert check_pattern(pattern)
    assert not check_topic(pattern)


def test_255_characters_are_the_most_for_either() -> None:
    longest = "/".join(["x" * 63] * 4)
    assert len(longest) == 255
    assert check_topic(longest)
    assert not check_topic(longest + "y")
    assert not check_pattern(longest + "/#")
    assert check_pattern(longest[:-2] + "/#")
    assert longest + "/#" not in patterns_for(longest)
