"""Which URLs may be asked for, and which addresses may be connected to: the rules of the fetch door, as data.

Most URLs a probe follows are chosen by the other side (RFC 9728 section 7.7, RFC 8414 section 6, MCP Security Best
Practices on SSRF), so the address counts, not the name: the door applies `address_problem` to what it connects to.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

Ip = IPv4Address | IPv6Address

_NEVER = tuple(
    ip_network(block)
    for block in (
        *("169.254.0.0/16", "fe80::/10", "fec0::/10"),
        *("fd00:ec2::254/128", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32"),
        *("0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "240.0.0.0/4"),
    )
)
"""Link-local, the clouds' metadata services, unspecified, multicast, reserved: no setting opens these."""

_TUNNELS = tuple(ip_network(block) for block in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
"""NAT64, 6to4 and Teredo: an IPv4 address in disguise, reached by whoever runs the translator."""

_V4_COMPATIBLE = IPv6Network("::/96")
_V4_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_FORBIDDEN = frozenset(chr(code) for code in range(0x21)) | {"\x7f", "\\"}


@dataclass(frozen=True, slots=True)
class Egress:
    """`private` maps a host name to the CIDR blocks it may resolve to beyond the public internet; `ports` are those
    besides 443 that may be connected to; `loopback` permits this machine's own addresses, and http:// and any port
    there."""

    private: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ports: frozenset[int] = frozenset()
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a permitted URL leads: `host` is lower-case ASCII without a final dot."""

    scheme: str
    host: str
    port: int


class Forbidden(Exception):
    """The URL or the address is refused; the message says why, in words for a user."""


def place_of(url: str, egress: Egress) -> Place:
    """Where `url` leads, by its text alone. Raises Forbidden."""
    parts = _split(url)
    host = ascii_host(parts.hostname or "")
    place = Place(parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80))
    literal = _literal(host)
    if literal is not None and (problem := address_problem(literal, host, egress)):
        raise Forbidden(problem)
    is_local = egress.loopback and (_is_local_name(host) or (literal is not None and literal.is_loopback))
    if place.scheme == "http" and not is_local:
        raise Forbidden("it is http://, and only https:// is asked for")
    if place.port not in {443, *egress.ports} and not is_local:
        raise Forbidden(f"its port {place.port} is not among those that may be connected to")
    return place


def _split(url: str) -> SplitResult:
    if not _FORBIDDEN.isdisjoint(url):
        raise Forbidden("it has a blank, a backslash or a control character in it")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise Forbidden("it is not a URL") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Forbidden("it is not an https:// URL with a host")
    if "@" in parts.netloc:
        raise Forbidden("it carries a user name or password")
    if "#" in url:
        raise Forbidden("it carries a #fragment")
    return parts


def ascii_host(host: str) -> str:
    """`host` as it is looked up in DNS. Raises Forbidden for one that can't be, or that spells an address oddly."""
    if ":" in host:
        if "%" in host or not _is_address(host):
            raise Forbidden("its host is not an address that can be connected to")
        return host.lower()
    try:
        name = unicodedata.normalize("NFKC", host).encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        raise Forbidden("its host is not a name that can be looked up") from None
    last = name.rpartition(".")[2]
    if not _is_address(name) and (last.isdigit() or last.startswith("0x")):
        raise Forbidden("its host is a number: an address in an unusual spelling")
    if not name or any(c in name for c in "%/?#[]@:<>^|"):
        raise Forbidden("its host is not a name that can be looked up")
    return name


def is_mixed_script(host: str) -> bool:
    """Whether a label of an internationalised host mixes letters of several scripts, as a look-alike would."""
    for label in host.split("."):
        if label.startswith("xn--"):
            try:
                label = label.encode("ascii").decode("idna")
            except UnicodeError:
                return True
        scripts = {unicodedata.name(c, "?").split(" ")[0] for c in label if c.isalpha()}
        if len(scripts - {"CJK", "HIRAGANA", "KATAKANA"}) > 1:
            return True
    return False


def is_literal(host: str) -> bool:
    """Whether the host is an address rather than a name."""
    return _is_address(host)


def address_problem(address: Ip, host: str, egress: Egress) -> str:
    """Why `address`, found for `host`, may not be connected to; empty if it may."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address_problem(address.ipv4_mapped, host, egress)
    if any(_is_never(each) for each in (address, *_embedded(address))):
        return f"{address} is a link-local, metadata, multicast or reserved address"
    if address.is_loopback:
        return "" if egress.loopback else f"{address} is this machine itself"
    if _is_local_name(host):
        return f"{address} is not this machine, which {host} means"
    is_hidden = isinstance(address, IPv6Address) and (
        any(address in block for block in _TUNNELS) or any(True for _ in _embedded(address))
    )
    if address.is_global and not is_hidden:
        return ""
    if any(address in ip_network(block) for block in egress.private.get(host, ())):
        return ""
    what = "an IPv4 address in disguise" if is_hidden else "a private address"
    return f"{address} is {what}, and {host} is not allowed to have one"


def _is_never(address: Ip) -> bool:
    return any(address in block for block in _NEVER)


def _embedded(address: Ip) -> Iterator[Ip]:
    """IPv4 addresses that an IPv6 transition mechanism hides in `address`."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    low = IPv4Address(number & 0xFFFFFFFF)
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    is_isatap = (number >> 32) & 0xFFFFFFFF in (0x5EFE, 0x02005EFE)
    in_front = address in _V4_COMPATIBLE and number > 1
    if is_isatap or in_front or address in _V4_TRANSLATED or any(address in block for block in _TUNNELS[:2]):
        yield low


def _is_local_name(host: str) -> bool:
    """RFC 6761 section 6.3."""
    return host == "localhost" or host.endswith(".localhost")


def _literal(host: str) -> Ip | None:
    return ip_address(host) if _is_address(host) else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
