"""Settings of every process: profile, logs, ports, and the services it talks to."""

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.config.declaring import setting

PREFIX = "BELLHOP_"


class General(BaseSettings):
    """What every process needs."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True
    )

    profile: Literal["development", "production"] = setting(
        "development",
        "`production` refuses weak secrets, open origins, an open Flower and debug.",
        group="General",
    )
    data_dir: Path = setting(
        Path(".bellhop"), "Where `make run` keeps generated secrets, the embedded Redis and the SQLite file."
    )
    debug: bool = setting(
        default=False, about="Answers of failed requests carry the traceback; refused in production."
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "The least level that is logged."
    )
    log_format: Literal["auto", "json", "console"] = setting(
        "auto", "`json` lines, coloured `console` text, or `auto`: console on a terminal, json elsewhere."
    )
    metrics_dir: Path | None = setting(
        None,
        "Folder where the processes of one service share their metrics; wiped by whoever starts them.",
        validation_alias="PROMETHEUS_MULTIPROC_DIR",
    )

    bind: str = setting(
        "127.0.0.1",
        "The address that api, nodes and the workers' readiness listen on.",
        group="Ports and processes",
    )
    port: int | None = setting(
        None,
        "The port of this one process; the launcher gives it to each process it starts.",
        validation_alias="PORT",
        ge=1,
        le=65535,
        shown="the port of its kind",
    )
    api_port: int = setting(8000, "The port of api.", ge=1, le=65535)
    api_workers: int = setting(1, "How many gunicorn processes serve api.", "processes", ge=1, le=64)
    node_port: int = setting(
        8001, "The port of the first WebSocket node; further nodes take the ports after it.", ge=1, le=65000
    )
    nodes: int = setting(2, "How many WebSocket nodes the launcher starts.", "processes", ge=0, le=256)
    worker_port: int = setting(
        8101, "The port where worker answers /readiness; worker_bulk takes the next.", ge=1, le=65000
    )
    worker_concurrency: int = setting(
        1,
        "How many jobs one worker runs at once; 1 with SQLite, which has one writer.",
        "processes",
        ge=1,
        le=256,
    )
    flower_port: int = setting(5555, "The port of Flower.", ge=1, le=65535)
    flower_bind: str = setting(
        "127.0.0.1",
        "The address Flower listens on; in a container 0.0.0.0, behind nginx only.",
    )
    flower_url_prefix: str = setting(
        "",
        "The first part of Flower's paths, such as `flower` behind a proxy that passes /flower/ on.",
        pattern=r"^[A-Za-z0-9_-]{0,40}$",
    )
    beat_pulse: Path | None = setting(
        None, "A file that beat touches whenever it has looked what is due; health checks look at its age."
    )

    redis_url: str = setting(
        "redis://127.0.0.1:6379/0",
        "Redis >= 6.2 or Valkey; without it the launcher starts an embedded Valkey.",
        group="Services",
        validation_alias="REDIS_URL",
        repr=False,
    )
    broker_url: str = setting(
        lambda data: data["redis_url"],
        "Celery's broker: Redis, or RabbitMQ as `amqp://...`.",
        validation_alias="BROKER_URL",
        repr=False,
        shown="REDIS_URL",
    )
    database_url: str = setting(
        lambda data: f"sqlite:///{data['data_dir']}/bellhop.db",
        "`postgresql+psycopg://...`, `mysql+pymysql://...` or `sqlite:///...`.",
        validation_alias="DATABASE_URL",
        repr=False,
        shown="SQLite in BELLHOP_DATA_DIR",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # passed by its name
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing but what `load` passes in: the environment is an argument, not a global."""
        return (init_settings,)
