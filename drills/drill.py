"""What a drill is: a harm, a promise that must hold through it, and a control that proves the drill can see a loss.

A drill without a control proves nothing: its verdict would be clean on a system that cannot fail, and just as clean on
a ledger that cannot see.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from drills.verdict import Verdict

if TYPE_CHECKING:  # the frame runs drills, and drills are written against it
    from drills.frame import Frame

Parameters = Mapping[str, Any]
DatabaseKind = Literal["sqlite", "postgresql", "own-postgresql"]


@dataclass(frozen=True, slots=True)
class Promise:
    """One sentence that must hold, and whether it did."""

    text: str
    held: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What one run found. `verdict` is None for drills that follow no notifications (a flood of frames, a model)."""

    verdict: Verdict | None
    promises: tuple[Promise, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Further numbers, by name, in the order in which they are told."""

    @property
    def held(self) -> bool:
        """Whether everything that was promised held."""
        return all(promise.held for promise in self.promises)

    @property
    def broken(self) -> list[str]:
        """The promises that did not hold."""
        return [promise.text for promise in self.promises if not promise.held]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The system a drill runs against.

    `lines` names a file of drills/controls whose lines replace those of the Procfile. Each name in `proxies` makes a
    fault proxy before Redis; `{name}` in a value of `env` becomes its port.
    """

    database: DatabaseKind = "postgresql"
    nodes: int = 2
    env: Mapping[str, str] = field(default_factory=dict)
    lines: str = ""
    redis: Mapping[str, str] = field(default_factory=dict)
    """Options of Redis that differ from those the launcher gives it."""
    proxies: tuple[str, ...] = ()
    durable: bool = False
    """Watch what Redis has brought to the disk, so that its power can be cut."""
    system: bool = True
    """False: the drill starts what it needs itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The same drill with one named mechanism taken away. It must break a promise, or the drill does not count."""

    name: str
    removes: str
    """The mechanism, in words for the table."""
    breaks: str = ""
    """How the promise begins that must be broken; empty: any will do."""
    lines: str = ""
    redis: Mapping[str, str] = field(default_factory=dict)
    client: str = "reference"
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A named drill. `default`, `quick` and `full` are its parameters; the latter two differ in some from the first."""

    name: str
    title: str
    run: "Callable[[Frame], Result]"
    controls: tuple[Control, ...]
    setup: Setup = field(default_factory=Setup)
    default: Parameters = field(default_factory=dict)
    quick: Parameters = field(default_factory=dict)
    full: Parameters = field(default_factory=dict)

    def parameters(self, size: str) -> dict[str, Any]:
        """The parameters of one size: `default`, `quick` or `full`."""
        return {**self.default, **({} if size == "default" else getattr(self, size))}
