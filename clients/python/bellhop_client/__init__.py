"""Bellhop's Python client: follow a user's notifications, exactly once, over cuts and restarts."""

from bellhop_client.actions import Position
from bellhop_client.client import Bellhop
from bellhop_client.outside import Outside
from bellhop_client.reply import Reply, RequestFailed
from bellhop_client.storage import FileStorage, MemoryStorage, Storage
from bellhop_client.tuning import Tuning

__all__ = [
    "Bellhop",
    "FileStorage",
    "MemoryStorage",
    "Outside",
    "Position",
    "Reply",
    "RequestFailed",
    "Storage",
    "Tuning",
]
