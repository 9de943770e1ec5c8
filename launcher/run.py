"""`make run`: start everything, say where to look, show that it works, keep it running until told to stop."""

import json
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from launcher.database import PreparationError
from launcher.environment import ROOT
from launcher.output import Stream
from launcher.system import NotReadyError, System

DEVELOPMENT_USER = "ana"
_WELCOME_SECONDS = 60
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _StopRequested(BaseException):
    """Somebody asked us to end. Not an Exception: nothing on the way may take it for a failure."""


def run(environ: Mapping[str, str], data_dir: Path, *, welcome: bool) -> int:
    """Run until a signal comes and return the exit code."""
    environ = dict(environ)
    if sys.stdout.isatty():
        environ.setdefault("BELLHOP_LOG_FORMAT", "console")
    output = Stream()
    system = System(data_dir, env=environ, output=output)
    begun = time.monotonic()
    with _stopping_on_signals(system):
        try:
            system.start()
            system.ready()
            seconds = time.monotonic() - begun
            # Asked before the banner is printed, so that nothing comes between where to look and what is there.
            arrived = _welcome(system) if welcome and system.api_key and system.settings.nodes else ""
            output.say(banner(system, seconds) + arrived)
            threading.Event().wait()
        except _StopRequested:
            output.say("launcher: stopping")
        except (NotReadyError, PreparationError) as error:
            output.say(f"bellhop: {error}")
            return 1
        finally:
            system.stop()
    return 0


def banner(system: System, seconds: float) -> str:
    """Say where to look, with a curl that works when pasted."""
    api = system.url("api")
    nodes = " ".join(f"{system.url('node', index, scheme='ws')}/ws" for index in range(system.settings.nodes))
    jobs = "/".join(filter(None, (system.url("flower"), system.settings.flower_url_prefix)))
    password = system.data.flower_password if system.api_key else "BELLHOP_FLOWER_PASSWORD"
    lines = [
        "",
        f"Bellhop is ready ({seconds:.1f} s).",
        "",
        f"  Console   {api}/console    sign in as {DEVELOPMENT_USER} and watch notifications arrive",
        f"  API       {api}/docs",
        f"  Sockets   {nodes}",
        f"  Jobs      {jobs}    user {system.settings.flower_user}, password in {password}",
        "",
        "  Send one:",
        "",
        f"  {curl(api, system.api_key or '<API key>')}",
        "",
    ]
    return "\n".join(lines)


def curl(api: str, key: str) -> str:
    """Return a command that sends a notification to the development user."""
    body = {"to": {"users": [DEVELOPMENT_USER]}, "event": "hello", "data": {"message": "It works"}}
    return shlex.join(
        [
            "curl",
            f"{api}/v1/notifications",
            "-H",
            f"Authorization: Bearer {key}",
            "-H",
            "Content-Type: application/json",
            "-d",
            json.dumps(body),
        ]
    )


def _welcome(system: System) -> str:
    """Send one notification the whole way and say whether it arrived."""
    asked = {
        "api": system.url("api"),
        "socket": f"{system.url('node', scheme='ws')}/ws",
        "key": system.api_key,
        "token": system.token(DEVELOPMENT_USER),
        "user": DEVELOPMENT_USER,
    }
    try:
        done = _ask(asked, system)
    except subprocess.TimeoutExpired:
        return f"\n  The welcome notification did not arrive within {_WELCOME_SECONDS} seconds.\n"
    if done.returncode != 0:
        return f"\n  The welcome notification did not arrive: {done.stderr.strip()}\n"
    result = json.loads(done.stdout)
    return (
        f"\n  A welcome notification to {DEVELOPMENT_USER} arrived {result['ms']} ms after its POST."
        f"\n  Look at it: {asked['api']}/console\n"
    )


def _ask(asked: Mapping[str, str], system: System) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "launcher.welcome"],
        # By standard input, because a key on a command line is seen by every user of the machine.
        input=json.dumps(asked),
        env={**system.environment, "PYTHONPATH": str(ROOT / "clients" / "python")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_WELCOME_SECONDS,
        check=False,
    )


@contextmanager
def _stopping_on_signals(system: System) -> Iterator[None]:
    """Turn the first signal into an orderly stop and the second into an immediate one."""
    asked = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal asked
        if asked:
            system.hurry()
            return
        asked = True
        raise _StopRequested

    former = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
