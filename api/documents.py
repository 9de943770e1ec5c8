"""Files that the api serves: read once at the start, so that a page is never half old and half new.

Rule A.
"""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.packing import LEAST, pack

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = ROOT / "api" / "pages"
CONSOLE: Final = ROOT / "api" / "console"
CLIENT: Final = ROOT / "clients" / "js" / "bellhop.js"
INDEX: Final = "index.html"
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


@dataclass(frozen=True, slots=True)
class File:
    """The content of one file."""

    content: bytes
    media_type: str
    etag: str
    gzipped: bytes | None = None
    """The same packed, if that is worth it."""


def read_folder(folder: Path, *more: Path) -> Mapping[str, File]:
    """Read the files directly in `folder`, and `more`, by their names; what is not there is left out."""
    paths = [*sorted(folder.glob("*")), *more]
    return {path.name: _read(path) for path in paths if path.is_file()}


def make_file(content: bytes, media_type: str) -> File:
    """Make a file of `content`, with a name for it and packed."""
    packed = pack(content) if len(content) >= LEAST and not media_type.startswith("image/png") else None
    return File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"', packed)


def _read(path: Path) -> File:
    content = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    return make_file(content, f"{kind}{charset}")
