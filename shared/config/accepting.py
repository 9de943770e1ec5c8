"""Settings of what is taken in, how much of it, and how it is kept."""

from shared.config.accounts import Accounts
from shared.config.declaring import OFF, setting
from shared.config.values import PolicyText, parse_policy
from shared.domain.gcra import Policy


class Accepting(Accounts):
    """Bodies, limits, quotas, pages and retention."""

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
    limit_name: PolicyText = setting("10/1m", "Attempts to sign in under one name, from wherever.")
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

    def policy(self, name: str) -> Policy | None:
        """Return one of the settings of the group Limits; None where it is off."""
        return parse_policy(getattr(self, name))
