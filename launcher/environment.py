"""The environment of the children: the caller's, completed with what the launcher generated and started.

Pure: mappings in, mappings out.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from launcher.data_dir import DataDir
from shared.config import Settings

ROOT = Path(__file__).resolve().parents[1]


def read_env_file(text: str) -> dict[str, str]:
    """Read `NAME=value` lines as docker compose does: comments, blank lines, optional quotes, optional `export`."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found


def with_generated_secrets(environ: Mapping[str, str], data: DataDir) -> dict[str, str]:
    """Name the files of the generated secrets where the caller gave none."""
    generated = {"BELLHOP_JWT_SECRETS": data.jwt_secrets, "BELLHOP_FLOWER_PASSWORD": data.flower_password}
    added = {
        f"{name}_FILE": str(file)
        for name, file in generated.items()
        if not environ.get(name) and not environ.get(f"{name}_FILE")
    }
    return {**environ, **added}


def for_children(
    environ: Mapping[str, str], settings: Settings, data: DataDir, redis_url: str
) -> dict[str, str]:
    """Return what every child gets: absolute places, our programs first on PATH, unbuffered output.

    `redis_url` names the embedded Redis, empty when the caller gave one.
    """
    bin_folder = str(Path(sys.executable).parent)
    return {
        **{name: value for name, value in environ.items() if name != "PORT"},
        "BELLHOP_DATA_DIR": str(data.path),
        "BELLHOP_BIND": settings.bind,
        "BELLHOP_API_WORKERS": str(settings.api_workers),
        "BELLHOP_WORKER_CONCURRENCY": str(settings.worker_concurrency),
        **({"REDIS_URL": redis_url} if redis_url else {}),
        "PATH": f"{bin_folder}:{environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
    }
