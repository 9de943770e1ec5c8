"""Say what is wrong with a body that is almost JSON, and where: the slow path of api.strict_json.

Rule P. A sender must learn which field to mend, and no JSON library names it. The text is read token by token without
recursion, because deep nesting is one of the faults; it runs only for bodies that are already known to be bad.
"""

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final

LEXEMES_MAX: Final = 200_000
"""Beyond so many lexemes the place is not searched any further: one bad body must not hold up everybody else."""

PATH_MAX: Final = 200
"""Longer names of places are cut: keys are the sender's and may be of any length."""

_LEXEME: Final = re.compile(
    r"[ \t\n\r]*+(?:"
    # Possessive repeats (*+): without them a long text costs memory for each place to fall back to.
    r'(?P<string>"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)"
    r"|(?P<word>true|false|null|NaN|-?Infinity)"
    r"|(?P<mark>[\[\]{},:])"
    r"|(?P<end>\Z))"
)


class FaultKind(StrEnum):
    """`syntax`: this is not JSON. The others: JSON by its grammar or nearly, but nothing that we take."""

    SYNTAX = auto()
    CONTENT = auto()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong; `path` names the field, such as `data.lines[3].price`, and is empty for the whole body."""

    kind: FaultKind
    path: str
    problem: str


class _Expect(StrEnum):
    VALUE = auto()
    VALUE_OR_END = auto()
    KEY = auto()
    KEY_OR_END = auto()
    COLON = auto()
    COMMA_OR_END = auto()
    NOTHING = auto()


@dataclass(slots=True)
class _Container:
    """One open `{` or `[`: the key or index being read, and for objects the keys seen."""

    is_object: bool
    key: str = ""
    index: int = 0
    seen: set[str] = field(default_factory=set)


class _Found(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def find_fault(text: str, *, max_depth: int) -> Fault | None:
    """Return the first fault of `text` in reading order, or None if it has none."""
    reader = _Reader(max_depth)
    position = 0
    try:
        for _ in range(LEXEMES_MAX):
            match = _LEXEME.match(text, position)
            if match is None:
                return Fault(FaultKind.SYNTAX, "", f"This is not JSON at character {position}.")
            kind = match.lastgroup or "end"
            if kind == "end":
                return reader.finish(position)
            reader.take(kind, match[kind], match.start(kind))
            position = match.end()
    except _Found as found:
        return found.fault
    return Fault(FaultKind.CONTENT, "", "The fault is too far into the body to be named.")


class _Reader:
    """The grammar of JSON as a state machine over lexemes."""

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth
        self._stack: list[_Container] = []
        self._expect = _Expect.VALUE

    def take(self, kind: str, lexeme: str, position: int) -> None:
        """Take the next lexeme; raises _Found at a fault."""
        if kind == "mark" and lexeme in "}],:":
            self._take_mark(lexeme, position)
        elif self._expect in (_Expect.KEY, _Expect.KEY_OR_END):
            if kind != "string":
                self._syntax(position)
            self._take_key(self._text_of(lexeme))
        elif self._expect in (_Expect.VALUE, _Expect.VALUE_OR_END):
            self._take_value(kind, lexeme)
        else:
            self._syntax(position)

    def finish(self, position: int) -> Fault | None:
        """Take the end of the text."""
        if self._expect is _Expect.NOTHING:
            return None
        return Fault(FaultKind.SYNTAX, "", f"The JSON text ends too early, at character {position}.")

    def _fail(self, problem: str) -> None:
        raise _Found(Fault(FaultKind.CONTENT, self._path(), problem))

    def _syntax(self, position: int) -> None:
        raise _Found(Fault(FaultKind.SYNTAX, "", f"This is not JSON at character {position}."))

    def _take_mark(self, lexeme: str, position: int) -> None:
        top = self._stack[-1] if self._stack else None
        match lexeme:
            case ":" if self._expect is _Expect.COLON:
                self._expect = _Expect.VALUE
            case "," if top and self._expect is _Expect.COMMA_OR_END:
                top.index += 1
                self._expect = _Expect.KEY if top.is_object else _Expect.VALUE
            case "}" if top and top.is_object and self._expect in (_Expect.KEY_OR_END, _Expect.COMMA_OR_END):
                self._close()
            case "]" if (
                top and not top.is_object and self._expect in (_Expect.VALUE_OR_END, _Expect.COMMA_OR_END)
            ):
                self._close()
            case _:
                self._syntax(position)

    def _take_key(self, key: str) -> None:
        top = self._stack[-1]
        top.key = key
        if key in top.seen:
            self._fail("This key is there twice.")
        top.seen.add(key)
        self._expect = _Expect.COLON

    def _take_value(self, kind: str, lexeme: str) -> None:
        if kind == "mark":
            self._open(is_object=lexeme == "{")
            return
        if kind == "string":
            self._text_of(lexeme)
        elif lexeme in ("NaN", "Infinity", "-Infinity"):
            self._fail(f"{lexeme} is not a JSON number.")
        elif kind == "number" and float(lexeme) in (float("inf"), float("-inf")):
            self._fail("This number is too large.")
        self._after_value()

    def _open(self, *, is_object: bool) -> None:
        if len(self._stack) >= self._max_depth:
            self._fail(f"Nested deeper than {self._max_depth} levels.")
        self._stack.append(_Container(is_object))
        self._expect = _Expect.KEY_OR_END if is_object else _Expect.VALUE_OR_END

    def _close(self) -> None:
        self._stack.pop()
        self._after_value()

    def _after_value(self) -> None:
        self._expect = _Expect.COMMA_OR_END if self._stack else _Expect.NOTHING

    def _text_of(self, lexeme: str) -> str:
        """Decode a string lexeme; a lone surrogate or NUL is a fault."""
        text: str = json.loads(lexeme)
        if "\x00" in text:
            self._fail("A text holds the character NUL.")
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            self._fail("A text holds half of a surrogate pair.")
        return text

    def _path(self) -> str:
        """Name the place being read: keys joined by dots, indexes in brackets."""
        path = ""
        for container in self._stack:
            if not container.is_object:
                path += f"[{container.index}]"
            elif container.key:
                path += f".{container.key}" if path else container.key
        return path if len(path) <= PATH_MAX else f"{path[:PATH_MAX]}..."
