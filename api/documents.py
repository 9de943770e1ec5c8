"""Files that the api serves: read once at the start, so that a page is never half old and half new.

Rule A.
"""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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


def read_folder(folder: Path, *more: Path) -> Mapping[str, File]:
    """Read the files directly in `folder`, and `more`, by their names; what is not there is left out."""
    paths = [*sorted(folder.glob("*")), *more]
    return {path.name: _read(path) for path in paths if path.is_file()}


def _read(path: Path) -> File:
    content = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    return File(content, f"{kind}{charset}", f'"{hashlib.sha256(content).hexdigest()[:32]}"')
