"""What an agent in the sandbox reaches: the internet by one door, and nothing of the machine (issue 11, number 2)."""

from __future__ import annotations

import shlex
import sys

import pytest

from tests.attacks.machine.addresses import OWN, PAGE, PRIVATE, SECRET, SECRET_PORT, WEB
from tests.attacks.machine.delivering import ABSTRACT
from tests.attacks.machine.lab import Lab

INNER = [
    *("127.0.0.1", "localhost", "[::1]", OWN, PRIVATE, "0.0.0.0", "[::]", "127.1", "2130706433", "0x7f000001"),
    *("sneaky.example.com", "sneaky6.example.com", "inner.example.com", "self.example.com"),
    *("[::ffff:127.0.0.1]", f"[::ffff:{PRIVATE}]", "[64:ff9b::7f00:1]", "[2002:7f00:1::1]", "[::7f00:1]"),
    *("metadata.example.com", "169.254.169.254"),
]
"""All that leads to the machine, or beside it, as an agent could write it."""
CURL = "curl --silent --show-error --max-time 20"


def test_the_internet_is_reached_by_name_and_address_in_every_way(lab: Lab) -> None:
    done = lab.does(f"""
        say http {CURL} http://api.example.com/page
        say https {CURL} https://api.example.com/page
        say socks {CURL} --proxy socks5h://127.0.0.1:30128 https://api.example.com/page
        say address {CURL} http://{WEB}/page
        say v6 {CURL} http://six.example.com/page
        say post {CURL} --data 'some text' http://api.example.com/
        say redirect {CURL} --location 'http://api.example.com/to?url=https://www.example.org/page'
        """)
    ways = ("http", "https", "socks", "address", "v6", "redirect")
    assert {f"{way}: {PAGE}" for way in ways} <= set(done.lines), done.log
    assert "post: some text" in done.lines
    assert "[makima] network: to api.example.com:443" in done.lines
    assert len([line for line in done.lines if line.endswith("to api.example.com:80")]) == 1


def test_nothing_of_the_machine_is_reached_by_whatever_name_or_way(lab: Lab) -> None:
    ways = {
        "direct": "--noproxy '*'",
        "connect": "--noproxy '' --proxytunnel",
        "plain": "--noproxy ''",
        "socks": "--noproxy '' --proxy socks5h://127.0.0.1:30128",
    }
    loops = "\n".join(
        f'for at in {shlex.join(INNER)}; do say "{way} $at" {CURL} {how} "http://$at:{SECRET_PORT}/"; done'
        for way, how in ways.items()
    )
    redirects = "\n".join(
        f"say redirect-{number} {CURL} --noproxy '' --location 'http://api.example.com/to?url=http://{at}:{SECRET_PORT}/'"
        for number, at in enumerate(("127.0.0.1", "sneaky.example.com", PRIVATE, OWN))
    )
    abstract = f"import socket; socket.socket(socket.AF_UNIX).connect(chr(0) + '{ABSTRACT}')"
    done = lab.does(f"{loops}\n{redirects}\nsay abstract {sys.executable} -c {shlex.quote(abstract)}\necho over")
    assert "over" in done.lines
    assert SECRET not in done.log
    assert "abstract: " in done.log
    assert "ConnectionRefusedError" in done.log
    refused = [line for line in done.lines if line.startswith("[makima] network: refused")]
    assert len(refused) == len(set(refused)), refused
    expected = f"network: refused inner.example.com:{SECRET_PORT}: {PRIVATE} is a private address; network_local = "
    assert [line for line in refused if expected in line], refused
    assert [line for line in refused if f"refused {OWN}:{SECRET_PORT}: an address of this machine; " in line], refused


@pytest.mark.parametrize("rule", ["127.0.0.1:7233", "localhost:7233", "7233", "127.0.0.0/8:7233", "sneaky.example.com"])
def test_network_local_opens_what_it_names(ordinary: Lab, rule: str) -> None:
    done = ordinary.does(
        f"""
        say direct {CURL} http://localhost:{SECRET_PORT}
        say asked {CURL} --noproxy '' http://{"sneaky.example.com" if ".com" in rule else "localhost"}:{SECRET_PORT}
        say other {CURL} --noproxy '' http://{PRIVATE}:{SECRET_PORT}
        """,
        network_local=[rule],
    )
    assert f"asked: {SECRET}" in done.lines, done.log
    is_forwarded = rule in ("127.0.0.1:7233", "localhost:7233", "7233")
    assert (f"direct: {SECRET}" in done.lines) is is_forwarded, done.log
    assert f"other: {SECRET}" not in done.lines
