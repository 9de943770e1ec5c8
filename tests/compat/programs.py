"""The programs that run the snippets: Node.js with npm's own clients, and curl. What they print comes back."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

NODE_TESTS = Path(__file__).resolve().parents[1] / "node"
WAIT_S = 20.0
PRELUDE = """\
import WebSocket from "ws";
globalThis.WebSocket = WebSocket;
for (const kind of ["log", "error"]) {
  console[kind] = (...said) => process.stdout.write(JSON.stringify({ [kind]: said }) + "\\n");
}
process.stdin.on("end", () => process.exit(0)).resume();
"""
"""Prints as JSON what the snippet prints for people, and ends with the test. `WebSocket` is of npm `ws`."""


class Program:
    """Node.js running some code until the block is left."""

    def __init__(self, node: str, code: str) -> None:
        self._command = [node, "--input-type=module", "-e", PRELUDE + code]
        self._said: list[list[Any]] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            self._command, cwd=NODE_TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(timeout=10)
        finally:
            self._child.kill()
        self._reader.join()

    @property
    def said(self) -> list[list[Any]]:
        """The arguments of each console.log and console.error so far."""
        with self._changed:
            return list(self._said)

    def until(self, wanted: Callable[[list[Any]], object], seconds: float = WAIT_S) -> list[Any]:
        """Wait for the first of these; its arguments."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for words in self._said:
                    if wanted(words):
                        return words
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"not within {seconds} s; said so far: {self._said}")

    def says(self, *words: Any) -> None:
        """Wait until it says exactly this."""
        self.until(lambda said: said == list(words))

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            (words,) = json.loads(line).values()
            with self._changed:
                self._said.append(words)
                self._changed.notify_all()


def curl(line: str, home: Path) -> tuple[int, Any]:
    """Run a line of shell with curl in it; the status and the body. A file of curl's settings asks for the status."""
    (home / ".curlrc").write_text('silent\nmax-time = 15\nwrite-out = "\\n%{http_code}"\n')
    environ = {**os.environ, "CURL_HOME": str(home)}
    done = subprocess.run(
        ["sh", "-c", line], env=environ, capture_output=True, text=True, check=False, timeout=30
    )
    body, _, status = done.stdout.rpartition("\n")
    assert done.returncode == 0, (done.returncode, done.stderr, done.stdout)
    return int(status), json.loads(body)
