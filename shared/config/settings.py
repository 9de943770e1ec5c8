"""Every setting of Bellhop, declared once: type, default, unit and a sentence.

The page docs/configuration.md, the file .env.example, the checks and the processes all read these
declarations, so that a setting cannot mean two things or be documented wrongly.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.config.declaring import in_development, own_origins, setting
from shared.config.values import (
    PolicyText,
    SigningKey,
    check_proxies,
    parse_policy,
    parse_signing_keys,
    split_list,
)
from shared.domain.gcra import Policy

PREFIX = "BELLHOP_"
OFF = "off"
NameList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """All settings of one process, checked and frozen. Made by `shared.config.load`."""

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
        "The address Flower listens on; in a container 0.0.0.0, published on the host's loopback.",
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

    jwt_secrets: SecretStr = setting(
        SecretStr(""),
        "One or two `kid:secret` pairs, comma separated; the first signs, both verify; 32 bytes or more.",
        group="Sign-in",
    )
    jwt_issuer: str = setting("", "If set, the claim `iss` that a token must carry.", shown="not checked")
    jwt_audience: str = setting("", "If set, the claim `aud` that a token must carry.", shown="not checked")
    jwt_type: str = setting("", "If set, the header `typ` that a token must carry.", shown="not checked")
    jwt_leeway: int = setting(
        10, "How far clocks may differ when `exp` and `nbf` are checked.", "seconds", ge=0, le=300
    )
    jwt_apps: NameList = setting(("main",), "The apps that tokens of our issuer may name, comma separated.")
    token_ttl: int = setting(
        3600, "Life of a token issued by `make token` and the development sign-in.", "seconds", ge=1
    )
    query_token: bool = setting(
        in_development, "Accept `?token=` on the WebSocket handshake.", shown="true in development"
    )
    dev_sign_in: bool = setting(
        in_development,
        "Let anybody on this machine choose a user name in the console; refused in production.",
        shown="true in development",
    )
    console: bool = setting(in_development, "Serve the page /console.", shown="true in development")
    origins: NameList = setting(
        own_origins,
        "Origins of pages that may connect with a cookie and call the API, comma separated.",
        shown="api's own in development, none in production",
    )
    flower_user: str = setting("bellhop", "The user name Flower asks for.")
    flower_password: SecretStr = setting(
        SecretStr(""), "The password Flower asks for; generated in development."
    )

    body_max: int = setting(262_144, "Largest body of one request.", "bytes", ge=1024, group="Accepting")
    batch_max: int = setting(4_194_304, "Largest body of a batch.", "bytes", ge=1024)
    batch_items: int = setting(1000, "Most notifications in a batch.", "notifications", ge=1, le=10_000)
    ttl_default: int = setting(86_400, "Life of a notification that names no `ttl`.", "seconds", ge=1)
    ttl_max: int = setting(2_592_000, "Longest `ttl` that is accepted.", "seconds", ge=1)
    send_ahead_max: int = setting(
        31_622_400, "How far ahead `send_at` may lie.", "seconds", ge=1, le=315_360_000
    )
    group_members: int = setting(256, "Most requests committed together.", "requests", ge=1, le=4096)
    group_bytes: int = setting(1_048_576, "Most bytes committed together.", "bytes", ge=1024)
    accept_timeout: float = setting(
        0.5,
        "If the journal has not confirmed by then the answer is 503 with Retry-After.",
        "seconds",
        gt=0,
        le=30,
    )
    intake_max: int = setting(
        200_000, "Journal entries above which new ones are refused with 503.", "entries", ge=1
    )
    intake_max_bytes: int = setting(
        536_870_912, "Journal bytes above which new ones are refused with 503.", "bytes", ge=1024
    )
    idempotency_life: int = setting(86_400, "How long an Idempotency-Key is remembered.", "seconds", ge=1)

    limit_key: PolicyText = setting(
        OFF, "Requests of one API key: so many in a time, `1000/1s`.", group="Limits"
    )
    limit_user: PolicyText = setting(OFF, "Requests with the token of one user, `100/10s`.")
    limit_address: PolicyText = setting(
        "100/10s", "Requests without a valid credential from one address; loopback is not counted."
    )
    limit_sign_in: PolicyText = setting("30/1m", "Attempts to sign in from one address; the same.")
    quota_key: PolicyText = setting(OFF, "Recipients of what one sender has accepted, `100000/1d`.")
    quota_app: PolicyText = setting(OFF, "The same of all senders of an app together.")

    page_size: int = setting(
        1000, "Recipients written in one transaction.", "users", ge=1, le=10_000, group="Storing"
    )
    attempts_max: int = setting(
        8, "So often an entry or a page is tried before it is given up as failed.", "attempts", ge=1, le=1000
    )
    retention: int = setting(
        2_592_000, "How long a notification is kept after its end, read or not; 0: for ever.", "seconds", ge=0
    )
    push_after: int = setting(
        30, "How long a delivery waits for an ack before Web Push is due.", "seconds", ge=0
    )
    stream_life: int = setting(
        900, "How long the state and tail of a stream stay in Redis after the user left.", "seconds", ge=1
    )
    tail_frames: int = setting(100, "Most frames in the tail of a stream.", "frames", ge=1)
    tail_bytes: int = setting(262_144, "Most bytes in the tail of a stream.", "bytes", ge=1024)

    lease_life: int = setting(
        15,
        "A node that has not renewed its lease for so long counts as dead.",
        "seconds",
        ge=1,
        group="Realtime",
    )
    lease_refresh: float = setting(5, "How often a node renews its lease.", "seconds", gt=0)
    probe_interval: float = setting(1, "How often a node sends itself a probe over Redis.", "seconds", gt=0)
    position_interval: float = setting(
        30, "How often a node compares the positions of its users with Redis.", "seconds", gt=0
    )
    hold_gap: float = setting(
        0.25, "How long newer frames wait for a missing one before it is fetched.", "seconds", ge=0
    )
    hold_bytes: int = setting(
        262_144, "Most bytes held for one connection during a gap or a replay.", "bytes", ge=1024
    )
    replay_deadline: float = setting(
        10, "How long a replay may take before it is asked for once more.", "seconds", gt=0
    )
    replay_frames: int = setting(1000, "Most frames in one replay.", "frames", ge=1, le=10_000)
    auth_deadline: float = setting(10, "How long a connection may stay unauthenticated.", "seconds", gt=0)
    ping_interval: float = setting(25, "Silence after which a node pings a connection.", "seconds", gt=0)
    pong_wait: float = setting(8, "Further silence after which the connection is gone.", "seconds", gt=0)
    handshake_deadline: float = setting(
        10, "How long a request on a node may take to its last header.", "seconds", gt=0
    )
    message_deadline: float = setting(
        10, "How long a message may take from its first byte to its last.", "seconds", gt=0
    )
    message_rate: float = setting(
        200, "Messages a client may send; five seconds' worth at once.", "per second", ge=1
    )
    control_rate: float = setting(10, "The same for pings and pongs.", "per second", ge=1)
    frame_max: int = setting(65_536, "Largest frame and message a client may send.", "bytes", ge=1024)
    fragments_max: int = setting(64, "Most fragments of a message.", "fragments", ge=1)
    outbox_bytes: int = setting(
        262_144, "Unsent bytes above which a connection is closed as too slow.", "bytes", ge=1024
    )
    write_deadline: float = setting(10, "How long a blocked write may stay blocked.", "seconds", gt=0)
    connections_max: int = setting(20_000, "Most connections of one node.", "connections", ge=1)
    connections_per_user: int = setting(500, "Most of one user on one node.", "connections", ge=1)
    connections_per_address: int = setting(
        1000, "Most of one client address on one node; loopback is not counted.", "connections", ge=1
    )
    unauthenticated_max: int = setting(
        1000, "Most that may wait for their first message on one node.", "connections", ge=1
    )
    handshake_rate: float = setting(
        1000, "Handshakes of one node; five seconds' worth at once.", "per second", ge=1
    )
    handshake_rate_address: float = setting(50, "The same from one address.", "per second", ge=1)
    trusted_proxies: NameList = setting(
        (), "Proxies (address, network or `unix`) whose `X-Forwarded-For` counts, comma separated."
    )
    drain_window: float = setting(5, "A stopping node spreads its closes over this window.", "seconds", ge=0)
    drain_retry: float = setting(
        3, "The longest `retry_after` a stopping node tells its clients.", "seconds", ge=0
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

    @field_validator("jwt_apps", "origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return split_list(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_proxies(value)

    @field_validator("jwt_secrets")
    @classmethod
    def _check_keys(cls, value: SecretStr) -> SecretStr:
        parse_signing_keys(value.get_secret_value())
        return value

    def policy(self, name: str) -> Policy | None:
        """Return one of the settings of the group Limits; None where it is off."""
        return parse_policy(getattr(self, name))

    def signing_keys(self) -> tuple[SigningKey, ...]:
        """Return the JWT secrets by key id, the signing one first."""
        return parse_signing_keys(self.jwt_secrets.get_secret_value())
