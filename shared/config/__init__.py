"""The settings: `load(environ)` once per process, in its composition root."""

from shared.config.loading import ConfigError, load, load_or_exit
from shared.config.settings import Settings
from shared.config.values import SigningKey

__all__ = ["ConfigError", "Settings", "SigningKey", "load", "load_or_exit"]
