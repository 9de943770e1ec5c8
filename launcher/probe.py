"""Ask a process over HTTP whether it is ready.

`python -m launcher.probe PORT [PATH]` does so from a shell: the health check of containers.
"""

import http.client
import sys

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # translated, not bound
_SECONDS = 2.0
_OK = 200


def reachable(host: str) -> str:
    """Return an address to connect to for an address to listen on."""
    return _ANY.get(host, host)


def is_ready(host: str, port: int, path: str) -> bool:
    """Tell whether GET answers 200."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == _OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    _port, *_path = sys.argv[1:]
    sys.exit(not is_ready("127.0.0.1", int(_port), "".join(_path) or "/readiness"))
