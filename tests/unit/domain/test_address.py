"""Whose address counts: what a trusted proxy wrote is believed, what a client wrote is not."""

import pytest

from shared.domain.address import Proxies


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "counted"),
    [
        ((), "203.0.113.9", "", "203.0.113.9"),
        ((), "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        (("10.0.0.0/8",), "10.1.2.3", "198.51.100.1", "198.51.100.1"),
        (("10.0.0.0/8",), "10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        (("10.0.0.0/8",), "10.1.2.3", "1.1.1.1, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        (("10.0.0.0/8",), "10.1.2.3", "", "10.1.2.3"),
        (("10.0.0.0/8",), "10.1.2.3", "1.1.1.1, nonsense", "10.1.2.3"),
        (("10.0.0.0/8",), "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        (("127.0.0.1",), "127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        (("127.0.0.1",), "::ffff:127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        (("127.0.0.1",), "127.0.0.1", "[2001:db8:1:2:3::4]:80", "2001:db8:1:2::/64"),
        (("unix",), "", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has_counts(trusted, peer, forwarded, counted):
    assert Proxies(trusted).client(peer, forwarded) == counted


@pytest.mark.parametrize(
    ("peer", "forwarded"), [("127.0.0.1", "198.51.100.1"), ("::1", ""), ("", "198.51.100.1")]
)
def test_programs_of_this_machine_are_not_counted_and_not_believed(peer, forwarded):
    assert Proxies(()).client(peer, forwarded) == ""


def test_a_whole_ipv6_network_of_one_customer_is_one_address():
    proxies = Proxies(())
    assert proxies.client("2001:db8:1:2::1", "") == proxies.client("2001:db8:1:2:ffff::9", "")
    assert proxies.client("2001:db8:1:2::1", "") != proxies.client("2001:db8:1:3::1", "")


def test_a_proxy_that_is_no_address_is_refused():
    with pytest.raises(ValueError, match="nginx"):
        Proxies(("nginx",))


@pytest.mark.parametrize(
    ("trusted", "peer", "scheme", "secure"),
    [
        (("10.0.0.0/8",), "10.1.2.3", "https", True),
        (("10.0.0.0/8",), "10.1.2.3", "HTTPS ", True),
        (("10.0.0.0/8",), "10.1.2.3", "http, https", True),
        (("10.0.0.0/8",), "10.1.2.3", "https, http", False),
        (("10.0.0.0/8",), "10.1.2.3", "", False),
        (("10.0.0.0/8",), "203.0.113.9", "https", False),
        (("unix",), "", "https", True),
        ((), "", "https", False),
        ((), "127.0.0.1", "https", False),
    ],
)
def test_only_a_trusted_proxy_can_say_that_there_was_tls(trusted, peer, scheme, secure):
    assert Proxies(trusted).secure(peer, scheme) is secure
