"""A service for the launcher's tests: answers on $PORT, has a child of its own, and misbehaves on request.

service.py            answers /readiness with 200
service.py stubborn   also ignores SIGTERM, as does its child
service.py broken     ends at once with code 3
"""

import http.server
import os
import signal
import subprocess
import sys
import time

SLEEPER = "import signal, sys, time; {ignore}; print('child ready', flush=True); time.sleep(600)"
IGNORE = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ready = self.path in ("/readiness", "/healthcheck")
        self.send_response(200 if ready else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def main(mode: str) -> None:
    if mode == "broken":
        print("this service is broken", flush=True)
        sys.exit(3)
    stubborn = mode == "stubborn"
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = SLEEPER.format(ignore=IGNORE if stubborn else "pass")
    subprocess.Popen([sys.executable, "-c", child])
    print(f"serving {os.environ.get('BELLHOP_DATA_DIR')} since {time.time()}", flush=True)
    http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
