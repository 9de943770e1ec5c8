"""Flower's options, from our settings: never without a password, by default on the loopback address.

Flower executes this file (`celery ... flower --conf=workers/flower_config.py`) and takes the names it knows. It is
a composition root: a Flower started by hand, by the launcher or in a container is equally closed.
"""

import os

from shared.config import load_or_exit
from shared.config.loading import refuse

_settings = load_or_exit(os.environ)
_password = _settings.flower_password.get_secret_value()
if not _password:
    refuse(["BELLHOP_FLOWER_PASSWORD is required: Flower must not be open"])

# Its first questions come before the workers listen, and it would warn of each.
logging = "error"
address = _settings.flower_bind
port = _settings.port or _settings.flower_port
if _settings.flower_url_prefix:
    url_prefix = _settings.flower_url_prefix
basic_auth = [f"{_settings.flower_user}:{_password}"]
# By default Flower keeps 100,000 jobs. With that it grew by some 440 MiB an hour in a minute of load (drill D37).
max_tasks = 5_000
