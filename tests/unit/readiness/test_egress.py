"""Where a probe may go: a table of URLs and addresses that must not be reached, and some that must."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.readiness.egress import Egress, Forbidden, address_problem, is_mixed_script, place_of

STRICT = Egress()
OPEN = Egress(private={"intranet.example": ("10.0.0.0/8", "fd12::/16", "64:ff9b::/96")}, ports=frozenset({8443}))
LOCAL = Egress(loopback=True)

REFUSED = [
    "http://mcp.example.com/",
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1./",
    "https://①②⑦.0.0.1/",
    "https://１２７.０.０.１/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://168.63.129.16/",
    "https://100.100.100.200/",
    "https://192.0.0.192/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::808:808]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[2001:db8::5efe:10.0.0.1]/",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com/#fragment",
    "https://example.com:22/",
    "https://example.com:8443/",
    "https://example.com:99999/",
    "https://example.com:x/",
    "https://exa mple.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/\r\nHost: evil",
    "https://\x00example.com/",
    "https:///etc/passwd",
    "https://",
    "//example.com/",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://127.0.0.1:25/",
    "javascript:alert(1)",
    "data:application/json,{}",
    "example.com",
    "",
    "https://exa%6dple.com/",
    "https://[::1",
    "https://" + "a" * 70 + ".example/",
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_dangerous_url_is_refused_by_its_text(url: str) -> None:
    with pytest.raises(Forbidden) as reason:
        place_of(url, STRICT)
    assert str(reason.value)


@pytest.mark.parametrize(
    ("url", "egress", "place"),
    [
        ("https://mcp.example.com/mcp", STRICT, ("https", "mcp.example.com", 443)),
        ("https://MCP.Example.COM.:443/", STRICT, ("https", "mcp.example.com", 443)),
        ("https://bücher.example/", STRICT, ("https", "xn--bcher-kva.example", 443)),
        ("https://8.8.8.8/", STRICT, ("https", "8.8.8.8", 443)),
        ("https://[2606:4700::1111]/", STRICT, ("https", "2606:4700::1111", 443)),
        ("https://example.com:8443/", OPEN, ("https", "example.com", 8443)),
        ("http://127.0.0.1:8080/", LOCAL, ("http", "127.0.0.1", 8080)),
        ("http://localhost/", LOCAL, ("http", "localhost", 80)),
        ("http://sandbox.localhost/", LOCAL, ("http", "sandbox.localhost", 80)),
        ("https://[::1]:9/", LOCAL, ("https", "::1", 9)),
    ],
)
def test_an_ordinary_url_is_permitted(url: str, egress: Egress, place: tuple[str, str, int]) -> None:
    found = place_of(url, egress)
    assert (found.scheme, found.host, found.port) == place


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://example.com/", "https://169.254.169.254/"])
def test_permitting_loopback_opens_nothing_else(url: str) -> None:
    with pytest.raises(Forbidden):
        place_of(url, LOCAL)


def test_a_name_of_this_machine_leads_nowhere_else() -> None:
    assert address_problem(ip_address("127.0.0.1"), "sandbox.localhost", LOCAL) == ""
    assert "not this machine" in address_problem(ip_address("8.8.8.8"), "sandbox.localhost", LOCAL)


@pytest.mark.parametrize("address", ["10.1.2.3", "fd12::1", "64:ff9b::808:808"])
def test_a_private_address_is_permitted_to_the_host_it_was_allowed_for_only(address: str) -> None:
    assert address_problem(ip_address(address), "intranet.example", OPEN) == ""
    assert "not allowed" in address_problem(ip_address(address), "mcp.example.com", OPEN)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "0.0.0.0"])
def test_no_setting_opens_link_local_and_metadata_addresses(address: str) -> None:
    wide = Egress(private={"x": ("0.0.0.0/0", "::/0")}, loopback=True)
    assert "link-local" in address_problem(ip_address(address), "x", wide)


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_address_in_disguise_is_never_more_permitted_than_the_address_itself(address: IPv4Address) -> None:
    number = int(address)
    disguises = [
        IPv6Address(0xFFFF00000000 | number),
        IPv6Address((0x0064FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address(number),
    ]
    if address_problem(address, "host", STRICT):
        assert all(address_problem(disguise, "host", STRICT) for disguise in disguises)


@pytest.mark.parametrize(
    ("host", "mixed"),
    [("example.com", False), ("bücher.example", False), ("xn--80ak6aa92e.com", False), ("pаypal.com", True)],
)
def test_a_host_that_mixes_scripts_is_noticed(host: str, mixed: bool) -> None:
    assert is_mixed_script(host) is mixed
