"""Which addresses are the public internet; pure but for `is_own`, which asks the kernel."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Python's own `is_global` says yes to the following, differently from version to version.
_NAMED: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "unspecified"),
    ("100.64.0.0/10", "a carrier's private"),
    ("192.0.0.0/24", "reserved"),
    ("192.88.99.0/24", "a 6to4 relay's"),
    ("224.0.0.0/4", "a multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/96", "reserved"),
    ("64:ff9b:1::/48", "a local NAT64"),
    ("100::/64", "a discarded"),
    ("2001::/23", "reserved"),
    ("2002::/16", "a 6to4"),
    ("3fff::/20", "a documentation"),
    ("5f00::/16", "reserved"),
    ("fc00::/7", "a private"),
    ("fe80::/10", "a link-local"),
    ("fec0::/10", "a site-local"),
    ("ff00::/8", "a multicast"),
)
_RESERVED: tuple[tuple[Network, str], ...] = tuple((ip_network(net), name) for net, name in _NAMED)
_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ip_network("2000::/3")


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped or NAT64 one stands for; any other as it is."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def why_not_public(address: Address) -> str:
    """What kind of address it is, as `a private address`; empty: one of the public internet."""
    address = plain(address)
    for flag, name in (("is_loopback", "a loopback"), ("is_unspecified", "the unspecified")):
        if getattr(address, flag):
            return f"{name} address"
    if address.is_link_local:
        return "a link-local address"
    for network, name in _RESERVED:
        if address.version == network.version and address in network:
            return f"{name} address"
    if not address.is_global:
        return "a private address"
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return "a reserved address"
    return ""


def is_own(address: Address) -> bool:
    """Whether this machine itself answers at it, on whatever interface: the kernel would talk from it to it.

    One that stands for an IPv4 address is asked about as that. No packet is sent. A bind would not do:
    `ip_nonlocal_bind` lets it succeed for every address.
    """
    address = plain(address)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((str(address), 9))
            source = ip_address(asking.getsockname()[0].split("%")[0])
        except OSError:
            return False
    return source == address or source.is_loopback


def literal(host: str) -> Address | None:
    """The address that `host` is written as; None where it is a name, or one with a zone: the kernel drops it from
    `2001:db8::1%1`, and so it would lead around every comparison.
    """
    if "%" in host:
        return None
    try:
        return ip_address(host)
    except ValueError:
        return None
