"""What every test may rely on: no setting leaks in from outside, and servers of the suite's own.

The fixtures themselves live in tests/fixtures, one file per server.
"""

import os

pytest_plugins = [
    "tests.spreading",
    "tests.fixtures.redis_server",
    "tests.fixtures.databases",
    "tests.fixtures.browser",
]

_OURS = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "PORT", "PROMETHEUS_MULTIPROC_DIR")


def pytest_configure() -> None:
    """Forget the settings of the developer's shell before the first module is imported."""
    for name in [name for name in os.environ if name.startswith("BELLHOP_") or name in _OURS]:
        del os.environ[name]
