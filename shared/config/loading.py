"""Read the environment into Settings, and say everything that is wrong with it at once.

An operator who must fix three names should hear of three, not of one per restart.
"""

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from shared.config.production import issuer_problems, life_problems, production_problems
from shared.config.settings import PREFIX, Settings

FILE_SUFFIX = "_FILE"
# These carry passwords too, although they are read as plain text.
_URLS = ("redis_url", "broker_url", "database_url")


class ConfigError(Exception):
    """The settings cannot be used; `problems` holds one sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def env_name(name: str, field: FieldInfo) -> str:
    """Return the environment variable of a setting."""
    return field.validation_alias if isinstance(field.validation_alias, str) else PREFIX + name.upper()


def env_names() -> dict[str, str]:
    """Map every environment variable to its setting."""
    return {env_name(name, field): name for name, field in Settings.model_fields.items()}


def is_secret(name: str) -> bool:
    """Tell whether a setting must not be shown and may come from a file."""
    return name in _URLS or Settings.model_fields[name].annotation is SecretStr


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings of this environment or raise ConfigError with every problem found."""
    settings, problems = inspect(environ)
    if problems:
        raise ConfigError(problems)
    return settings


def inspect(environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Return every problem, and the settings with defaults in place of what was refused.

    For programs that have more to check before they refuse, such as whether the ports are free.
    """
    known = env_names()
    given, problems = _from_files(environ, known)
    problems += _unknown(environ, known)
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in given.items() if value != ""}
    values = source()
    try:
        settings, bad = Settings(**values), set[str]()
    except ValidationError as error:
        found = {
            known.get(_field(detail), _field(detail)): _sentence(detail, given) for detail in error.errors()
        }
        problems += [sentence for sentence in found.values() if sentence]
        bad = set(found)
        settings = Settings(**{key: value for key, value in values.items() if known.get(key, key) not in bad})
    names = {name: variable for variable, name in known.items()}
    found_too = (*production_problems(settings), *issuer_problems(settings), *life_problems(settings))
    problems += [f"{names[name]} {text}" for name, text in found_too if name not in bad]
    return settings, problems


def load_or_exit(environ: Mapping[str, str]) -> Settings:
    """Load for a program: every problem on its own line on standard error, then exit code 2."""
    try:
        return load(environ)
    except ConfigError as error:
        refuse(error.problems)


def refuse(problems: Sequence[str]) -> NoReturn:
    """End the program because of its settings."""
    for problem in problems:
        print(f"bellhop: {problem}", file=sys.stderr)
    sys.exit(2)


def _from_files(environ: Mapping[str, str], known: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Put the content of each `NAME_FILE` in the place of NAME."""
    given, problems = dict(environ), list[str]()
    for variable, name in known.items():
        path = environ.get(variable + FILE_SUFFIX, "")
        if not path or not is_secret(name):
            continue
        if environ.get(variable):
            problems.append(f"{variable} and {variable}{FILE_SUFFIX} are both set")
        try:
            given[variable] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            problems.append(f"{variable}{FILE_SUFFIX}={path!r}: {reason}")
    return given, problems


def _unknown(environ: Mapping[str, str], known: Mapping[str, str]) -> Iterator[str]:
    files = {variable + FILE_SUFFIX for variable, name in known.items() if is_secret(name)}
    for variable in sorted(environ):
        if not variable.upper().startswith(PREFIX) or variable.upper() in known or variable.upper() in files:
            continue
        names = [name.removeprefix(PREFIX) for name in (*known, *files) if name.startswith(PREFIX)]
        near = difflib.get_close_matches(variable.upper().removeprefix(PREFIX), names, n=1, cutoff=0.7)
        yield f"{variable} is no setting" + (f"; did you mean {PREFIX}{near[0]}?" if near else "")


def _field(detail: ErrorDetails) -> str:
    return str(detail["loc"][0])


def _sentence(detail: ErrorDetails, given: Mapping[str, str]) -> str:
    """Say what is wrong with one value; empty for defaults that only failed because another value did."""
    if detail["type"] == "default_factory_not_called":
        return ""
    names = {name: variable for variable, name in env_names().items()}
    variable = names.get(_field(detail), _field(detail))
    reason = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if is_secret(env_names()[variable]):
        return f"{variable} {reason}"
    value = next((value for key, value in given.items() if key.upper() == variable), "")
    return f"{variable}={value!r}: {reason}"
