"""Which names and addresses pass a door, and what the settings may say of it (docs/sandbox.md)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from daemon.agents import ConfiguredAgent
from daemon.agents.network_settings import NetworkSettings, rule_of_url
from daemon.network.addresses import is_own, why_not_public
from daemon.network.door_policy import ConnectionRefused, Policy
from daemon.network.rules import parse_rule
from daemon.network.upstream import Unreachable, parent_at, parent_for, proxy_environment
from daemon.sandbox.doorway import FIRST_PORT, Doorway

WEB = "93.184.0.1"

NOT_PUBLIC = {
    "loopback": ("127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"),
    "unspecified": ("0.0.0.0", "::", "0.1.2.3", "::ffff:0.0.0.0"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1", "::ffff:10.0.0.1"),
    "link-local": ("169.254.169.254", "fe80::1", "::ffff:169.254.1.1"),
    "carrier": ("100.64.0.1", "100.127.255.255"),
    "multicast": ("224.0.0.1", "239.255.255.250", "ff02::1"),
    "6to4": ("2002:7f00:1::1", "2002:808:808::1", "192.88.99.1"),
    "NAT64": ("64:ff9b:1::1", "64:ff9b::a00:1"),
    "reserved": ("240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "203.0.113.1", "::7f00:1", "2001::1"),
    "further": ("fec0::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "192.0.0.8", "4000::1"),
}
PUBLIC = (WEB, "8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1::1", "64:ff9b::808:808")


@pytest.mark.parametrize("address", [each for kind in NOT_PUBLIC.values() for each in kind])
def test_what_is_not_the_internet_is_refused_in_whatever_form(address: str) -> None:
    assert why_not_public(ip_address(address))
    for policy in (Policy(), Policy(network=("*",)), Policy(network=("api.example.com",))):
        with pytest.raises(ConnectionRefused):
            passed(policy, "api.example.com", 443, address)
        with pytest.raises(ConnectionRefused):
            passed(policy, address, 443, address)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_passes(address: str) -> None:
    assert passed(Policy(), "api.example.com", 443, address)
    assert passed(Policy(), address, 443, address)


def test_of_a_names_addresses_only_the_public_ones_are_connected_to() -> None:
    assert passed(Policy(), "api.example.com", 443, "127.0.0.1", WEB, "10.0.0.1") == [WEB]


def test_an_address_of_this_machine_is_refused_whatever_it_is() -> None:
    with pytest.raises(ConnectionRefused, match="an address of this machine; network_local = "):
        passed(Policy(), WEB, 443, WEB, own=(WEB,))
    assert passed(Policy(network_local=(WEB,)), WEB, 443, WEB, own=(WEB,)) == [WEB]
    assert is_own(ip_address("127.0.0.1"))
    assert is_own(ip_address("127.3.2.1"))
    assert is_own(ip_address("::ffff:127.0.0.1"))
    assert is_own(ip_address("64:ff9b::7f00:1"))


@pytest.mark.parametrize(
    ("rule", "host", "port", "passes"),
    [
        ("api.example.com", "api.example.com", 443, True),
        ("api.example.com", "api.example.com", 8443, True),
        ("API.example.com.", "api.example.com", 443, True),
        ("api.example.com:443", "api.example.com", 8443, False),
        ("api.example.com", "example.com", 443, False),
        ("api.example.com", "sub.api.example.com", 443, False),
        ("api.example.com", "api.example.com.attacker.net", 443, False),
        ("*.example.org:443", "a.example.org", 443, True),
        ("*.example.org:443", "a.b.example.org", 443, True),
        ("*.example.org:443", "a.example.org", 80, False),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "attackerexample.org", 443, False),
        ("*:443", "whatever.example.net", 443, True),
        ("*:443", "whatever.example.net", 22, False),
        ("93.184.0.0/16", WEB, 443, True),
        ("93.184.0.0/16", "8.8.8.8", 443, False),
        (WEB, "api.example.com", 443, False),
        ("*.1", WEB, 443, False),
    ],
)
def test_a_list_allows_what_it_names(rule: str, host: str, port: int, passes: bool) -> None:
    policy = Policy(network=(rule,))
    if passes:
        assert passed(policy, host, port, WEB)
        return
    with pytest.raises(ConnectionRefused, match=r"network does not name it; network = \["):
        policy.check_name(host, port)
        passed(policy, host, port, host if host == "8.8.8.8" else WEB)


@pytest.mark.parametrize(
    ("rule", "host", "address", "passes"),
    [
        ("127.0.0.1:7233", "127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1:7233", "sneaky.example.com", "127.0.0.1", True),
        ("127.0.0.1:7234", "127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1:7233", "127.0.0.2", "127.0.0.2", False),
        ("localhost", "localhost", "::1", True),
        ("7233", "localhost", "127.0.0.1", True),
        ("7233", "inner.example.com", "10.0.0.1", False),
        ("10.0.0.0/8:7233", "inner.example.com", "10.0.0.1", True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "inner.example.com", "192.168.0.1", False),
        ("inner.example.com", "inner.example.com", "192.168.0.1", True),
        ("*.example.com:7233", "inner.example.com", "192.168.0.1", True),
        ("[fd00::1]:7233", "fd00::1", "fd00::1", True),
        ("fd00::/8", "fd00::1", "fd00::1", True),
    ],
)
def test_network_local_opens_what_it_names(rule: str, host: str, address: str, passes: bool) -> None:
    policy = Policy(network_local=(rule,))
    if passes:
        assert passed(policy, host, 7233, address)
    else:
        with pytest.raises(ConnectionRefused, match=r"network_local = \["):
            passed(policy, host, 7233, address)


def test_with_none_or_a_list_an_unnamed_name_is_not_even_looked_up() -> None:
    for network in ("none", ("api.example.com",)):
        with pytest.raises(ConnectionRefused, match="network does not name it"):
            Policy.model_validate({"network": network}).check_name("secret.attacker.net", 443)
    Policy().check_name("whatever.example.com", 443)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "a\nb",
        "[example.com]",
        "exa_mple..com",
        "-a.com",
        "ä.com",
        "a" * 64,
        "%0a",
        "2606:4700::1111%1",
        "::1%lo",
    ],
)
def test_what_is_no_name_is_refused_before_it_is_looked_up_or_logged(host: str) -> None:
    with pytest.raises(ConnectionRefused, match="no host's name"):
        Policy().check_name(host, 443)


@given(st.text(max_size=40))
def test_a_rule_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        parse_rule(text)
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "network", ["all", "https://api.example.com", ["https://api.example.com"], ["a:0"], ["a:65536"], ["a b"], [""], 7]
)
def test_settings_that_are_none_are_refused(network: object) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate({"network": network})


AGENTS: TypeAdapter[ConfiguredAgent] = TypeAdapter(ConfiguredAgent)
PROVIDER = '{ name = "own", base_url = "https://models.example.com/v1" }'


@pytest.mark.parametrize(
    ("settings", "local", "models"),
    [
        ({"kind": "claude", "api_key_env": "KEY"}, (), ("api.anthropic.com:443",)),
        ({"kind": "claude", "env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:11434"}}, ("127.0.0.1:11434",), ()),
        ({"kind": "claude", "pass_env": ["ANTHROPIC_BASE_URL"]}, ("gateway.corp:8443",), ()),
        ({"kind": "codex", "api_key_env": "KEY"}, (), ("api.openai.com:443",)),
        ({"kind": "codex", "config": {"model_providers.own": PROVIDER}}, ("models.example.com:443",), ()),
        ({"kind": "codex", "config": {"model_providers.own.base_url": '"http://[::1]:80/v1"'}}, ("[::1]:80",), ()),
        ({"kind": "codex", "config": {"openai_base_url": "http://localhost:1"}}, ("localhost:1",), ()),
        ({"kind": "command", "argv": ["x"], "env": {"OLLAMA_HOST": "127.0.0.1:11434"}}, ("127.0.0.1:11434",), ()),
        ({"kind": "command", "argv": ["x"], "env": {"OPENAI_BASE_URL": "no address"}}, (), ()),
        ({"kind": "shell"}, (), ()),
    ],
)
def test_an_agents_model_is_always_allowed(settings: Any, local: tuple[str, ...], models: tuple[str, ...]) -> None:
    environ = {"ANTHROPIC_BASE_URL": "https://gateway.corp:8443/anthropic", "KEY": "k"}
    policy = NetworkSettings("none").policy(AGENTS.validate_python(settings), environ)
    assert (policy.network, policy.network_local, policy.models) == ("none", local, models)
    for rule in models:
        host, port = rule.split(":")
        assert passed(policy, host, int(port), WEB)
        with pytest.raises(ConnectionRefused):
            passed(policy, host, int(port), "127.0.0.1")


def test_an_agents_own_settings_take_the_daemons_place() -> None:
    daemon = NetworkSettings("internet", ("5432",))
    plain = AGENTS.validate_python({"kind": "shell"})
    assert daemon.policy(plain, {}) == daemon.policy(None, {}) == Policy(network_local=("5432",))
    own = AGENTS.validate_python({"kind": "shell", "network": "none", "network_local": []})
    assert daemon.policy(own, {}) == Policy(network="none")


def test_a_server_of_loopback_is_at_the_same_port_inside() -> None:
    one, two = f"127.0.0.1:{FIRST_PORT}", "localhost:8000"
    policy = Policy(network_local=(one, two, one, "10.0.0.1:5000", "127.0.0.0/8:9000", "[::1]:7000", "80"))
    assert policy.forwards == (("127.0.0.1", FIRST_PORT), ("127.0.0.1", 8000), ("::1", 8000), ("::1", 7000))


def test_the_doors_variables_stand_above_those_of_the_machine(tmp_path: Any) -> None:
    doorway = Doorway.beside(tmp_path, Policy(network_local=(str(FIRST_PORT),)))
    given = {"HTTPS_PROXY": "http://me:secret@proxy", "no_proxy": "*", "GIT_SSH_COMMAND": "ssh -v", "A": "b"}
    seen = doorway.variables(given)
    assert "secret" not in str(seen)
    assert seen["https_proxy"] == seen["HTTP_PROXY"] == f"http://127.0.0.1:{FIRST_PORT + 1}"
    assert (seen["no_proxy"], seen["GIT_SSH_COMMAND"], seen["A"]) == (seen["NO_PROXY"], "ssh -v", "b")


def test_a_url_of_a_model_becomes_a_rule_without_its_secrets() -> None:
    assert rule_of_url("https://user:secret@models.example.com/v1?key=x") == "models.example.com:443"
    assert rule_of_url("https://models.example.com:notaport") == ""


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_direct"),
    [
        ("", "api.example.com", False),
        ("*", "api.example.com", True),
        ("example.com", "api.example.com", True),
        (".example.com", "api.example.com", True),
        ("other.com, api.example.com", "api.example.com", True),
        ("ample.com", "api.example.com", False),
        ("api.example.com:443", "api.example.com", True),
        ("api.example.com:80", "api.example.com", False),
        ("93.184.0.0/16", WEB, True),
        ("93.184.0.0/16", "8.8.8.8", False),
    ],
)
async def test_the_machines_own_proxy_is_used_but_for_what_no_proxy_names(
    no_proxy: str, host: str, is_direct: bool
) -> None:
    proxies = proxy_environment({"HTTPS_PROXY": "http://me:p%40ss@proxy.corp:3128", "no_proxy": no_proxy})
    parent = parent_for(proxies, host, 443, "https")
    assert (parent is None) is is_direct
    if parent:
        assert (parent.host, parent.port, parent.authorization) == ("proxy.corp", 3128, "Basic bWU6cEBzcw==")


def test_a_proxy_that_does_not_speak_http_is_said_to_be_none() -> None:
    for url in ("socks5://proxy:1080", "http://"):
        with pytest.raises(Unreachable, match="speaks HTTP"):
            parent_at(url)


def passed(policy: Policy, host: str, port: int, *addresses: str, own: Iterable[str] = ()) -> list[str]:
    found = policy.allowed(host, port, map(ip_address, addresses), map(ip_address, own))
    return [str(each) for each in found]
