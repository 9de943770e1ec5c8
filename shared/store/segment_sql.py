"""A segment's rule as a condition on the table `users`, in the words of each database.

It says what shared.domain.segments says, of every user and on every database; each condition is true or false and
never NULL, so that `NOT` of it is what the rule means. Names of attributes and values are bound, never spliced.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from sqlalchemy import (
    Double,
    String,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from shared.domain.segments import All, AnyOf, Compare, Exists, In, Known, Not, Rule, Scalar, Sign
from shared.models import tables as t

_U = t.users.c
Condition = ColumnElement[bool]
_COLUMNS: Final = {Known.TIMEZONE: _U.timezone, Known.LOCALE: _U.locale}


class _Speaker(Protocol):
    """What one database says of the attribute of a name."""

    def exists(self, name: str) -> Condition:
        """There is one, and it is not null."""

    def number(self, name: str, sign: Sign | None, values: Sequence[float]) -> Condition:
        """It is a number that is one of `values`, or stands in this relation to the only one."""

    def text(self, name: str, sign: Sign | None, values: Sequence[str]) -> Condition:
        """The same of a text."""

    def truth(self, name: str, value: bool) -> Condition:  # noqa: FBT001 -- it is what is compared
        """It is `true`, or it is `false`."""

    def plain(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The text of a column, whose lower case is not that of some language."""


def condition(session: Session, rule: Rule) -> Condition:
    """The condition that holds for those rows of `users` for which `rule` holds."""
    return _condition(_speaker(session), rule)


def _speaker(session: Session) -> _Speaker:
    match session.get_bind().dialect.name:
        case "postgresql":
            return _Postgres()
        case "sqlite":
            return _Sqlite()
        case _:
            return _MariaDb()


def _condition(speaker: _Speaker, rule: Rule) -> Condition:
    match rule:
        case All(rules):
            return and_(*(_condition(speaker, each) for each in rules)).self_group()
        case AnyOf(rules):
            return or_(*(_condition(speaker, each) for each in rules)).self_group()
        case Not(inner):
            return not_(_condition(speaker, inner).self_group())
        case Exists(Known() as known) | In(Known() as known):
            return _of_column(speaker, known, rule)
        case _:
            return _of_attribute(speaker, rule)


def _of_column(speaker: _Speaker, known: Known, rule: Exists | In) -> Condition:
    column = _COLUMNS[known]
    if isinstance(rule, Exists):
        return column.is_not(None)
    wanted = sorted({str(value) for value in rule.values})
    if known is Known.LOCALE:
        return and_(column.is_not(None), _covered(func.lower(speaker.plain(column)), wanted))
    return and_(column.is_not(None), column.in_(wanted))


def _covered(locale: ColumnElement[str], tags: Sequence[str]) -> Condition:
    """A locale in small letters that one of these tags covers. They are of ASCII without SQL's wildcards."""
    small = sorted({tag.lower() for tag in tags})
    return or_(locale.in_(small), *(locale.like(f"{tag}-%") for tag in small))


def _of_attribute(speaker: _Speaker, rule: Exists | In | Compare) -> Condition:
    name = rule.subject.name
    match rule:
        case Exists():
            return speaker.exists(name)
        case In(_, values):
            return or_(*_equal(speaker, name, values)).self_group()
        case Compare(_, sign, str() as value):
            return speaker.text(name, sign, [value])
        case Compare(_, sign, value):
            return speaker.number(name, sign, [float(value)])


def _equal(speaker: _Speaker, name: str, values: Sequence[Scalar]) -> Iterable[Condition]:
    if texts := [value for value in values if isinstance(value, str)]:
        yield speaker.text(name, None, texts)
    if numbers := [value for value in values if isinstance(value, float)]:
        yield speaker.number(name, None, numbers)
    for truth in sorted({value for value in values if isinstance(value, bool)}):
        yield speaker.truth(name, truth)


_SIGNS: Final[dict[Sign, Callable[[Any, Any], Condition]]] = {
    Sign.LT: operator.lt,
    Sign.LTE: operator.le,
    Sign.GT: operator.gt,
    Sign.GTE: operator.ge,
}


def _related(found: Any, sign: Sign | None, values: Sequence[Any]) -> Condition:
    is_one: Condition = found.in_(values) if sign is None else _SIGNS[sign](found, values[0])
    return is_one


def _where(kind: ColumnElement[Any], kinds: Sequence[str], then: Condition) -> Condition:
    """`then` of a value of one of these kinds, else false. CASE, because a cast of any other value would fail."""
    return case((kind.in_(kinds), then), else_=false())


class _Postgres:
    """jsonb. Texts are compared by their bytes, which in UTF-8 stand in the order of code points."""

    def exists(self, name: str) -> Condition:
        kind = func.jsonb_typeof(self._item(name))
        return func.coalesce(kind, "null") != "null"

    def number(self, name: str, sign: Sign | None, values: Sequence[float]) -> Condition:
        found: Any = cast(self._text(name), Double())
        return _where(func.jsonb_typeof(self._item(name)), ["number"], _related(found, sign, values))

    def text(self, name: str, sign: Sign | None, values: Sequence[str]) -> Condition:
        found = self._text(name).collate("C")
        return _where(func.jsonb_typeof(self._item(name)), ["string"], _related(found, sign, values))

    def truth(self, name: str, value: bool) -> Condition:  # noqa: FBT001
        wanted = [str(value).lower()]
        return _where(func.jsonb_typeof(self._item(name)), ["boolean"], self._text(name).in_(wanted))

    def plain(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return column.collate("C")

    def _item(self, name: str) -> ColumnElement[Any]:
        return self._attributes().op("->", return_type=postgresql.JSONB())(literal(name, String()))

    def _text(self, name: str) -> ColumnElement[Any]:
        return self._attributes().op("->>", return_type=String())(literal(name, String())).self_group()

    def _attributes(self) -> ColumnElement[Any]:
        return cast(_U.attributes, postgresql.JSONB()).self_group()


class _MariaDb:
    """JSON functions on text. The key stands in a path, quoted."""

    def exists(self, name: str) -> Condition:
        return func.coalesce(self._kind(name), "NULL") != "NULL"

    def number(self, name: str, sign: Sign | None, values: Sequence[float]) -> Condition:
        # A text plus a float is a float; a CAST to one SQLAlchemy leaves out before it has met the server.
        found: Any = self._value(name).op("+", return_type=Double())(literal_column("0e0")).self_group()
        return _where(self._kind(name), ["INTEGER", "DOUBLE"], _related(found, sign, values))

    def text(self, name: str, sign: Sign | None, values: Sequence[str]) -> Condition:
        found = self._value(name).collate("utf8mb4_nopad_bin")
        return _where(self._kind(name), ["STRING"], _related(found, sign, values))

    def truth(self, name: str, value: bool) -> Condition:  # noqa: FBT001
        # Its value is 1 or 0 in JSON_VALUE, and true or false as a piece of JSON.
        wanted = [str(value).lower()]
        return _where(self._kind(name), ["BOOLEAN"], self._item(name).in_(wanted))

    def plain(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return column

    def _kind(self, name: str) -> ColumnElement[Any]:
        return func.json_type(self._item(name), type_=String())

    def _item(self, name: str) -> ColumnElement[Any]:
        return func.json_extract(_U.attributes, self._path(name), type_=String())

    def _value(self, name: str) -> ColumnElement[Any]:
        return func.json_value(_U.attributes, self._path(name), type_=String())

    def _path(self, name: str) -> str:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'$."{quoted}"'


class _Sqlite:
    """json_each, because in a path SQLite knows no key with a quote in it.

    Numbers of a rule go as text through the same reader as those of the attributes: before 3.47 it rounded some of
    them otherwise than Python.
    """

    def exists(self, name: str) -> Condition:
        item = self._items()
        return self._some(name, item, item.type != "null")

    def number(self, name: str, sign: Sign | None, values: Sequence[float]) -> Condition:
        item = self._items()
        wanted = [self._number(literal(repr(value))) for value in values]
        related = _related(self._number(item.value), sign, wanted)
        return self._some(name, item, item.type.in_(["integer", "real"]), related)

    def text(self, name: str, sign: Sign | None, values: Sequence[str]) -> Condition:
        item = self._items()
        return self._some(name, item, item.type == "text", _related(item.value, sign, values))

    def truth(self, name: str, value: bool) -> Condition:  # noqa: FBT001
        item = self._items()
        return self._some(name, item, item.type == str(value).lower())

    def plain(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return column

    def _number(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(value, Double())

    def _items(self) -> Any:
        return func.json_each(_U.attributes).table_valued("key", "value", "type").c

    def _some(self, name: str, item: Any, *more: Condition) -> Condition:
        return exists().where(item.key == name, *more)
