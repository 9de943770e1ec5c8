"""The keys of another issuer, fetched from its address or file, kept, and looked at again.

Rule A, for urllib and files. One thread or greenlet fetches at a time; whoever needs a key that is not here yet waits
for it with a deadline. While the issuer is away its keys go on to count for a day, and then nothing of it is believed.
"""

import _thread
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
)

from shared import logs
from shared.auth.key_set import KeySet, NotAKeySet, parse
from shared.breaker import Breaker, Refused
from shared.errors import Unavailable

SIZE_MAX: Final = 262_144
"""Bytes of a key set; more is none."""

FRESH: Final = 300.0
"""Seconds after which keys are fetched again, so that one the issuer has dropped is dropped here."""

STALE: Final = 86_400.0
"""Seconds for which keys count while the issuer does not answer."""

AGAIN: Final = 10.0
"""Seconds between two fetches, whatever keys tokens name."""

WAIT: Final = 4.0
"""Seconds that a caller waits for a fetch."""

PATIENCE: Final = 15.0
"""Seconds after which a fetch is given up, and another may begin."""

HANGING_MAX: Final = 3
"""Fetches under way at once, those given up included: a header that trickles in ends when the issuer says so."""

_TIMEOUT: Final = 3.0
_WHOLE: Final = 5.0
_REDIRECTS: Final = 3

log = logs.get(__name__)


class IssuerUnavailable(Unavailable):
    """No keys of the issuer are known, or none that are young enough."""

    title = "The keys of the issuer of this token cannot be had just now."


class _Redirects(HTTPRedirectHandler):
    """Follows redirects within a scheme: from https never to anything that others can read or write."""

    max_redirections = _REDIRECTS

    def redirect_request(  # urllib's
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme.lower() != urlsplit(req.full_url).scheme.lower():
            raise URLError("redirected to another scheme")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Issuer:
    """Keys of one issuer; `source` is an http or https address, or a path."""

    def __init__(
        self,
        source: str,
        *,
        fetch: Callable[[str], bytes] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._fetch = fetch or read
        self._monotonic = monotonic
        self._breaker = Breaker("issuer", monotonic=monotonic)
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched = self._tried = float("-inf")
        self._flight: threading.Event | None = None
        self._under_way = 0
        self._version = 0

    def keys(self) -> KeySet:
        """The keys as they are known, an empty set before the first; fetches anew what is old. Never blocks.

        Raises IssuerUnavailable if the issuer has not answered for a day.
        """
        now = self._monotonic()
        if now - self._fetched > FRESH:
            self._begin(now)
        if self._keys is not None and now - self._fetched > STALE:
            raise IssuerUnavailable(retry_after=AGAIN)
        return self._keys or KeySet()

    @property
    def may_know_more(self) -> bool:
        """Whether it is worth to wait for keys: they are being fetched, or may be."""
        return self._pending is not None or self._monotonic() - self._tried >= AGAIN

    def look_again(self, wait: float = WAIT) -> bool:
        """Fetch the keys if that was not just done, and wait up to so many seconds; whether there are newer ones."""
        before = self._version
        flight = self._begin(self._monotonic())
        if flight is not None and wait > 0:
            flight.wait(wait)
        return self._version != before

    @property
    def known(self) -> bool:
        """Whether keys were ever fetched."""
        return self._keys is not None

    @property
    def _pending(self) -> threading.Event | None:
        """The fetch that is under way, unless it takes too long to be waited for."""
        return self._flight if self._monotonic() - self._tried < PATIENCE else None

    def _begin(self, now: float) -> threading.Event | None:
        with self._lock:
            if (flight := self._pending) is not None:
                return flight
            if now - self._tried < AGAIN or self._under_way >= HANGING_MAX:
                return None
            self._tried = now
            self._under_way += 1
            flight = self._flight = threading.Event()
        # Not a Thread: its start waits, and this may be a callback of an event loop.
        _thread.start_new_thread(self._run, (flight,))
        return flight

    def _run(self, flight: threading.Event) -> None:
        try:
            with self._breaker.calling():
                found = parse(self._fetch(self._source))
        except Refused:
            pass
        except NotAKeySet as error:
            log.warning("issuer_keys_unreadable", error=str(error))
        except Exception as error:  # noqa: BLE001  # whatever the network does; the address may hold a secret
            log.warning("issuer_keys_not_fetched", error=type(error).__name__)
        else:
            if found != self._keys:
                log.info("issuer_keys_changed", keys=len(found.keys))
            self._keys, self._fetched = found, self._monotonic()
            self._version += 1
        finally:
            with self._lock:
                self._under_way -= 1
                if self._flight is flight:
                    self._flight = None
            flight.set()


def read(source: str) -> bytes:
    """What is at an address or in a file, at most SIZE_MAX bytes. Raises OSError or ValueError."""
    if "://" not in source:
        with Path(source).open("rb") as file:
            return _bounded(file.read(SIZE_MAX + 1))
    # Made by hand: the usual opener knows files, ftp and the proxies of the environment too.
    opener = OpenerDirector()
    for handler in (HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor, _Redirects):
        opener.add_handler(handler())
    deadline = time.monotonic() + _WHOLE
    headers = {"Accept": "application/jwk-set+json, application/json", "User-Agent": "bellhop"}
    with opener.open(Request(source, headers=headers), timeout=_TIMEOUT) as answer:  # noqa: S310  # http and https only
        body = b""
        while len(body) <= SIZE_MAX and (part := answer.read1(16_384)):
            body += part
            if time.monotonic() > deadline:
                raise TimeoutError("the answer takes too long")
    return _bounded(body)


def _bounded(body: bytes) -> bytes:
    if len(body) > SIZE_MAX:
        raise NotAKeySet(f"longer than {SIZE_MAX} bytes")
    return body
