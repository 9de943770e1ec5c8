"""Read a Procfile: which processes there are and how each is started."""

import re

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_]+):\s*(?P<command>\S.*)")


class ProcfileError(Exception):
    """The Procfile cannot be read; the message names the line."""


def parse(text: str) -> dict[str, str]:
    """Return the command of each process by its name, in the order of the file."""
    commands: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ProcfileError(f"line {number} is not `name: command`")
        if match["name"] in commands:
            raise ProcfileError(f"line {number} names {match['name']} a second time")
        commands[match["name"]] = match["command"]
    return commands
