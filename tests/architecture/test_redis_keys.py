"""Keys and channels of Redis are spelled in shared/redis/keys.py and in lua/, nowhere else."""

import re

from tests.architecture.sources import Source, sources

KEYS = "shared/redis/keys.py"


def key_words() -> set[str]:
    """The first words of all keys, such as `stream` of `stream:{app}:{user}`."""
    keys = next(source for source in sources("shared") if source.name == KEYS)
    return {text.partition(":")[0] for text, _ in keys.strings() if re.match(r"[a-z_]+:", text)}


def spelled_keys(source: Source, words: set[str]) -> list[str]:
    looks_like_a_key = re.compile(rf"(?:{'|'.join(sorted(words))}):(?:[a-z{{]|$)")
    return [
        f"{source.name}:{line} {text!r}" for text, line in source.strings() if looks_like_a_key.match(text)
    ]


def test_the_words_of_keys_are_found():
    assert {"journal", "stream", "tail", "lease", "node"} <= key_words()


def test_no_string_elsewhere_looks_like_a_key():
    words = key_words()
    assert not [place for source in sources() if source.name != KEYS for place in spelled_keys(source, words)]
