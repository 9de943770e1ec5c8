"""Settings of the nodes: leases, deadlines, and what bounds every connection."""

from shared.config.accepting import Accepting
from shared.config.declaring import OFF, NameList, in_development, setting
from shared.config.values import PolicyText


class Realtime(Accepting):
    """What a node does for how long, and how much of it."""

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
    pollers_max: int = setting(
        1000, "Most Socket.IO clients of one node that poll instead of a WebSocket.", "connections", ge=1
    )
    socket_limit: PolicyText = setting(
        OFF, "Messages one user may send over Socket.IO on one node, `10/1m`; over it the socket is closed."
    )
    trusted_proxies: NameList = setting(
        (), "Proxies (address, network or `unix`) whose `X-Forwarded-For` counts, comma separated."
    )
    drain_window: float = setting(5, "A stopping node spreads its closes over this window.", "seconds", ge=0)
    drain_retry: float = setting(
        3, "The longest `retry_after` a stopping node tells its clients.", "seconds", ge=0
    )

    presence_grace: float = setting(
        10,
        "How long after the last connection of a user closed others are told that the user left.",
        "seconds",
        ge=0,
        le=600,
        group="Presence",
    )
    presence_broadcast: bool = setting(
        in_development,
        "Tell all Socket.IO clients of an app who comes and leaves, as older designs did; it costs a frame for each.",
        shown="true in development",
    )
    watch_max: int = setting(
        200, "Most users whose presence one connection may watch.", "users", ge=1, le=10_000
    )
    connection_log_life: int = setting(
        2_592_000, "How long connections are kept in the log after they closed; 0: no log.", "seconds", ge=0
    )
    connection_log_address: bool = setting(
        default=False, about="Keep the client's address in the log of connections."
    )
