"""Versions of the real code with one thing wrong, to see that the machine finds it.

A machine that finds nothing proves nothing until it has been shown to find something. Each mutant replaces one piece
of text of one module; only the code of the functions that contain it is exchanged, and put back afterwards.

Not among them: what a second line of defence makes good in the end, so that taking one away only costs time (the epoch
compared in Session.check and Session.opened, beside wsnode.epochs; a frame that was not held, beside the positions).
"""

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType


@dataclass(frozen=True)
class Mutant:
    """`old` stands in the module exactly once."""

    name: str
    module: str
    old: str
    new: str
    rules: tuple[str, ...] = ()
    """What may happen, where all that may would hide it among too much else; empty: everything."""


MUTANTS = (
    Mutant("a gap of one is let through", "wsnode.session", "frame.prev > last:", "frame.prev > last + 1:"),
    Mutant("an old frame is let through", "wsnode.session", "if frame.seq <= last:", "if frame.seq < last:"),
    Mutant(
        "a repair ends before its target",
        "wsnode.session",
        "or self.me < repair.me_target or",
        "or",
    ),
    Mutant(
        "the runs of Redis are not told apart",
        "tests.model.redis",
        "self._runs += 1",
        "pass",
        rules=("send", "cut", "connect", "redis_restarts", "calm"),
    ),
    Mutant(
        "an ack counts for more than was sent",
        "wsnode.session",
        "me, everyone = min(me, self.me or 0), min(everyone, self.all or 0)",
        "me, everyone = me, everyone",
    ),
    Mutant(
        "positions are not compared",
        "wsnode.session",
        "if repair is None and (me_top or 0) <= (self.me or 0) and (all_top or 0) <= (self.all or 0):",
        "if repair is None:",
    ),
    Mutant(
        "a replay of another epoch is taken",
        "wsnode.session",
        "if part.epoch not in (None, self.epoch):",
        "if False:",
        rules=("send", "absence", "workers_rest", "job", "database", "connect"),
    ),
    Mutant(
        "a replay begins with whichever part comes first",
        "wsnode.session",
        "if getattr(self, stream) is None and (begin is None or frame.prev <= begin):",
        "if getattr(self, stream) is None:",
        rules=("absence", "restart_device", "workers_rest", "job", "connect", "send"),
    ),
    Mutant(
        "what cannot be read again is passed over",
        "wsnode.session",
        'events += self._fail("frames are missing and cannot be read again")',
        "self.me, self.all, self.repair = repair.me_target, repair.all_target, None",
        rules=("send", "workers_die", "time_passes", "redis_forgets"),
    ),
    Mutant(
        "who is excluded is told",
        "wsnode.session",
        " and self.user not in frame.excluded:",
        ":",
    ),
    Mutant(
        "the short way looks for no gap",
        "wsnode.unicasts",
        "int(prev) <= me < number",
        "me < number",
    ),
    Mutant(
        "the short way to all looks for no gap",
        "wsnode.broadcasts",
        "prev <= everyone < first",
        "everyone < first",
        rules=("send", "message", "bus_holds"),
    ),
    Mutant(
        "frames of another epoch are delivered",
        "wsnode.unicasts",
        "if room.epoch != self._epoch:",
        "if False:",
    ),
    Mutant(
        "nobody is sent away when the epoch changes",
        "wsnode.epochs",
        'if before in ("", epoch):',
        "if True:",
        rules=("send", "database", "reconnect", "bus_holds", "message"),
    ),
    Mutant(
        "the client takes frames behind a gap",
        "bellhop_client.protocol",
        "if last is not None and prev > last:",
        "if False:",
        rules=("send", "wire_fails", "lag", "calm"),
    ),
    Mutant(
        "the client takes frames again",
        "bellhop_client.protocol",
        "if last is not None and seq <= last:",
        "if False:",
    ),
    Mutant(
        "the client moves on when a handler fails",
        "bellhop_client.protocol",
        'return self._give_up(OURS, "handler failed", flush=True)',
        "return self._advance(stream, seq, now) if isinstance(pending, Show) else []",
    ),
    Mutant(
        "the client does not see that the epoch ended",
        "bellhop_client.protocol",
        "moved_house = self.position.known() and self.position.epoch != theirs.epoch",
        "moved_house = False",
    ),
    Mutant(
        "the client does not hear that it lost something",
        "bellhop_client.protocol",
        'return [self._lose("not_recovered", theirs)]',
        "pass",
    ),
    Mutant(
        "the client confirms one more than it showed",
        "bellhop_client.acks",
        "news[stream] = last\n",
        "news[stream] = last + 1\n",
    ),
    Mutant(
        "the client jumps to where the server is",
        "bellhop_client.actions",
        "me = theirs.me if self.me is None else self.me",
        "me = theirs.me or self.me",
    ),
)


class NoLongerFits(Exception):
    """The text that a mutant replaces is not there exactly once: the code has changed, so must the mutant."""


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The code with this fault, as long as the block lasts."""
    module = importlib.import_module(mutant.module)
    source = inspect.getsource(module)
    if source.count(mutant.old) != 1:
        raise NoLongerFits(
            f"{mutant.name}: {mutant.module} has {source.count(mutant.old)} times {mutant.old!r}"
        )
    new = compile(source.replace(mutant.old, mutant.new), module.__file__ or "", "exec")
    functions = dict(_functions(module))
    kept = {name: function.__code__ for name, function in functions.items()}
    for name, code in _codes(new):
        if name in functions and code != kept[name]:
            functions[name].__code__ = code
    try:
        yield
    finally:
        for name, code in kept.items():
            functions[name].__code__ = code


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes(constant)


def _functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """The functions and methods that a module defines, by qualified name."""
    for thing in vars(module).values():
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if isinstance(thing, FunctionType):
            yield thing.__qualname__, thing
        elif inspect.isclass(thing):
            for member in vars(thing).values():
                plain = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                if isinstance(plain, FunctionType):
                    yield plain.__qualname__, plain
