"""Topics, and the patterns by which users subscribe to them.

Rule P. A topic is 1 to 16 segments joined by "/". A pattern is a topic, or a topic and "/#" (it and all below it), or
"#" alone (all). So the patterns that match a topic can be listed, and who is subscribed is found by equality.
"""

import re
from typing import Final

TOPIC_LENGTH: Final = 255
"""Characters of a topic, and of a pattern, at most."""
SEGMENTS: Final = 16

_SEGMENT: Final = r"[A-Za-z0-9._:@=,~-]{1,64}"
_TOPIC: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{0,{SEGMENTS - 1}}}")
_ALL: Final = "#"
_BELOW: Final = "/#"


def check_topic(text: str) -> bool:
    """Whether `text` is a topic that one can send to."""
    return len(text) <= TOPIC_LENGTH and _TOPIC.fullmatch(text) is not None


def check_pattern(text: str) -> bool:
    """Whether `text` is something that a user can subscribe to: a topic, or "#" in the last place."""
    return len(text) <= TOPIC_LENGTH and (text == _ALL or check_topic(text.removesuffix(_BELOW)))


def patterns_for(topic: str) -> tuple[str, ...]:
    """Every pattern that matches a topic, each once: from the topic itself up to "#"."""
    segments = topic.split("/")
    prefixes = ("/".join(segments[:count]) + _BELOW for count in range(len(segments), 0, -1))
    # What is longer than a pattern may be, nobody is subscribed to.
    return (topic, *(pattern for pattern in prefixes if len(pattern) <= TOPIC_LENGTH), _ALL)
