"""Whether a request came over TLS, as far as anybody who may say so says it."""

import pytest

from api.encryption import Encryption
from shared.config import load

SECRETS = {"BELLHOP_JWT_SECRETS": "k1:" + "s" * 40}


@pytest.mark.parametrize(
    ("trusted", "env", "encrypted"),
    [
        ("10.0.0.0/8", {"REMOTE_ADDR": "10.0.0.2", "HTTP_X_FORWARDED_PROTO": "https"}, True),
        ("10.0.0.0/8", {"REMOTE_ADDR": "10.0.0.2", "HTTP_X_FORWARDED_PROTO": "http"}, False),
        ("10.0.0.0/8", {"REMOTE_ADDR": "10.0.0.2"}, False),
        ("10.0.0.0/8", {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_PROTO": "https"}, False),
        ("", {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}, False),
        ("", {"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "https"}, True),
        ("unix", {"HTTP_X_FORWARDED_PROTO": "https"}, True),
    ],
)
def test_a_claim_of_tls_counts_from_a_trusted_proxy_alone(trusted, env, encrypted):
    settings = load({**SECRETS, "BELLHOP_TRUSTED_PROXIES": trusted})

    assert Encryption(settings).of(env) is encrypted
