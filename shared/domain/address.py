"""Whose address a connection counts for, also behind reverse proxies. Pure.

`X-Forwarded-For` is believed only as far as a trusted proxy has written it: from its end back to the first address
that is no trusted proxy. What stands before that anybody may have written.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

UNIX: Final = "unix"
"""Stands in the list of proxies for whoever connects by a Unix socket, which has no address."""

_IPV6_HOLDING: Final = 64
"""Bits of an IPv6 network that one customer gets whole: single addresses of it would be free to invent."""

_Address = IPv4Address | IPv6Address


class Proxies:
    """The proxies that are believed: addresses, networks, or `unix`. Raises ValueError for anything else."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._unix = UNIX in trusted
        self._networks = [ip_network(one) for one in trusted if one != UNIX]

    def client(self, peer: str, forwarded: str) -> str:
        """The address to count for: `peer` as the socket has it (empty: a Unix socket), `forwarded` the header.

        Empty where nobody can be told apart: programs of this machine, and proxies of it that are not trusted.
        """
        found = _parse(peer)
        if not self.believes(peer):
            return _counted(found)
        for said in reversed(forwarded.split(",")):
            before = _parse(said)
            if before is None:
                break
            found = before
            if not self._trusts(found):
                break
        return _counted(found)

    def believes(self, peer: str) -> bool:
        """Whether what `peer` (as the socket has it) says of its own client counts."""
        found = _parse(peer)
        return self._trusts(found) if found is not None else self._unix and not peer

    def secure(self, peer: str, scheme: str) -> bool:
        """Whether a trusted proxy says that it was asked over TLS: `scheme` is `X-Forwarded-Proto` as it came.

        Of several the last counts, which the nearest proxy has written.
        """
        return scheme.rpartition(",")[2].strip().lower() == "https" and self.believes(peer)

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _parse(text: str) -> _Address | None:
    """An address as proxies write it: with a port or brackets, or an IPv4 one in the dress of IPv6."""
    said = text.strip()
    if said.startswith("["):
        said = said[1:].partition("]")[0]
    elif said.count(":") == 1:
        said = said.partition(":")[0]
    try:
        found = ip_address(said)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _counted(address: _Address | None) -> str:
    if address is None or address.is_loopback:
        return ""
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), _IPV6_HOLDING), strict=False))
    return str(address)
