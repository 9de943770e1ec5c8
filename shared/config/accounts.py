"""Settings of accounts: passwords, sessions, and how long what they give is good."""

from shared.config.declaring import in_development, setting
from shared.config.sign_in import SignIn


class Accounts(SignIn):
    """Accounts of our own, which are optional: another issuer works alone."""

    accounts: bool = setting(
        lambda data: bool(data["jwt_secrets"].get_secret_value()) or not data["issuer"],
        "Serve register, login and refresh under /v1/auth.",
        group="Accounts",
        shown="true, unless another issuer is set and no secret to sign with",
    )
    registration: bool = setting(
        in_development,
        "Let anybody register an account; otherwise it takes an API key with `users:write`.",
        shown="true in development",
    )
    access_life: int = setting(
        600, "Life of the access token that a sign-in or a refresh gives.", "seconds", ge=10, le=86_400
    )
    refresh_life: int = setting(2_592_000, "A session ends so long after its sign-in.", "seconds", ge=60)
    refresh_idle: int = setting(604_800, "A session that is not used ends after so long.", "seconds", ge=60)
    ticket_life: int = setting(30, "Life of a ticket for the WebSocket handshake.", "seconds", ge=1, le=300)
    password_min: int = setting(8, "Shortest password that may be chosen.", "characters", ge=8, le=128)
    argon2_memory: int = setting(
        19_456, "Memory of one argon2id hash; not below OWASP's minimum in production.", "KiB", ge=64
    )
    argon2_time: int = setting(2, "Passes of one argon2id hash.", "passes", ge=1, le=100)
    argon2_lanes: int = setting(1, "Lanes of one argon2id hash.", "lanes", ge=1, le=16)
    hashes: int = setting(2, "Passwords that one api process checks at once.", "passwords", ge=1, le=64)
    hashes_waiting: int = setting(
        32, "Passwords that wait for that; one more is refused with 503.", "passwords", ge=0, le=10_000
    )
