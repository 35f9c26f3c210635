"""What an agent in the sandbox reaches: the internet by one door, and nothing of the machine (issue 11, number 2)."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from daemon.git.repositories import Repositories
from daemon.process.run import run
from tests.attacks.door_of_a_daemon import door_of_a_daemon
from tests.attacks.machine.addresses import OWN, OWN6, PAGE, PRIVATE, SECRET, SECRET_PORT, WEB
from tests.attacks.machine.delivering import ABSTRACT, PROXY_PASSWORD, PROXY_PORT
from tests.attacks.machine.lab import Lab
from tests.integration.deliveries import OneDaemon, until
from tests.needs import need, need_sandbox
from tests.processes import has_ended

INNER = [
    *("127.0.0.1", "localhost", "[::1]", OWN, PRIVATE, "0.0.0.0", "[::]", "127.1", "2130706433", "0x7f000001"),
    *("sneaky.example.com", "sneaky6.example.com", "inner.example.com", "self.example.com"),
    *("[::ffff:127.0.0.1]", f"[::ffff:{PRIVATE}]", "[64:ff9b::7f00:1]", "[2002:7f00:1::1]", "[::7f00:1]"),
    *("metadata.example.com", "169.254.169.254", f"[::ffff:{OWN}]", f"[{OWN6}]"),
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


RAW = r"""import socket
for at in ("[{own}%1]", "[{own}%0]", "[::1%1]", "[::ffff:{private}%1]"):
    with socket.create_connection(("127.0.0.1", 30128)) as door:
        door.sendall(f"CONNECT {{at}}:{port} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        print(at, door.recv(65536).split(b"\r\n")[0], door.recv(65536))
"""


def test_an_address_with_a_zone_is_no_way_around(ordinary: Lab) -> None:
    """curl drops the zone; an agent that writes the request itself does not."""
    raw = RAW.format(own=OWN6, private=PRIVATE, port=SECRET_PORT)
    done = ordinary.does(f"{sys.executable} -c {shlex.quote(raw)}")
    assert done.log.count(" 403 ") == 4, done.log
    assert SECRET not in done.log


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


def test_a_list_allows_what_it_names_and_a_redirect_is_a_new_connection(ordinary: Lab) -> None:
    to_apex = "http://api.example.com/to?url=http://www.example.org/page"
    done = ordinary.does(
        f"""
        say named {CURL} http://api.example.com/page
        say below {CURL} https://deep.www.example.org/page
        say port {CURL} https://api.example.com/page
        say apex {CURL} http://www.example.org/page
        say redirect {CURL} --location {to_apex}
        say address {CURL} http://{WEB}/page
        say unknown {CURL} http://secret.attacker.example/page
        say socks {CURL} --proxy socks5h://127.0.0.1:30128 http://www.example.org/page
        """,
        network=["api.example.com:80", "*.www.example.org"],
    )
    reached = [line for line in done.lines if line.endswith(PAGE)]
    assert reached == [f"named: {PAGE}", f"below: {PAGE}"], done.log
    for target in ("api.example.com:443", "www.example.org:80", f"{WEB}:80", "secret.attacker.example:80"):
        line = f'refused {target}: network does not name it; network = ["{target}"] in the daemon'
        assert len([each for each in done.lines if line in each]) == 1, done.log


def test_the_machines_own_proxy_is_chained_and_its_password_stays_outside(ordinary: Lab) -> None:
    proxy = f"http://me:{PROXY_PASSWORD}@{PRIVATE}:{PROXY_PORT}"
    twice = r"GET http://nowhere.example.net/{} HTTP/1.1\r\nHost: nowhere.example.net\r\n\r\n"
    inner = twice.format("smuggled")
    size = len(inner.replace(r"\r\n", "##"))
    lengths = rf"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{inner}\r\n0\r\n\r\n"
    two_lengths = rf"POST http://nowhere.example.net/2 HTTP/1.1\r\nHost: nowhere.example.net\r\n{lengths}"
    smuggle = f"""import socket
for asked in (b"{twice.format(1)}{twice.format("smuggled")}", b"{two_lengths}"):
    with socket.create_connection(("127.0.0.1", 30128)) as door:
        door.sendall(asked)
        while door.recv(65536): pass
"""
    done = ordinary.does(
        f"""
        env; cat /proc/self/environ; echo
        say known {CURL} https://api.example.com/page
        say only-the-proxy {CURL} http://nowhere.example.net/page
        say private {CURL} http://inner.example.com:{SECRET_PORT}/
        say the-proxy {CURL} --noproxy '' --proxytunnel http://{PRIVATE}:{PROXY_PORT}/
        {sys.executable} -c {shlex.quote(smuggle)}
        """,
        environ={"HTTPS_PROXY": proxy, "http_proxy": proxy},
        pass_env=["HTTPS_PROXY", "http_proxy"],
    )
    assert PROXY_PASSWORD not in done.log
    assert {f"known: {PAGE}", f"only-the-proxy: {PAGE}"} <= set(done.lines), done.log
    assert done.proxied == (
        "CONNECT api.example.com:443 with the password",
        "GET http://nowhere.example.net/page with the password",
        "GET http://nowhere.example.net/1 with the password",
        "POST http://nowhere.example.net/2 with the password",
    )
    assert f"refused inner.example.com:{SECRET_PORT}: {PRIVATE} is a private address" in done.log
    assert f"refused {PRIVATE}:{PROXY_PORT}: a private address" in done.log


def test_servers_inside_are_reached_inside_and_die_with_the_door(lab: Lab) -> None:
    done = lab.does(f"""
        echo served > page; {sys.executable} -m http.server 8000 >/dev/null 2>&1 &
        for n in $(seq 100); do curl --silent http://localhost:8000/ >/dev/null && break; sleep 0.1; done
        say inside {CURL} http://localhost:8000/page
        say named {CURL} http://127.0.0.1:8000/page
        """)
    assert {"inside: served ", "named: served "} <= set(done.lines), done.log
    assert done.doors == 0


def test_a_flood_harms_no_more_than_its_own_task(ordinary: Lab) -> None:
    flood = r"""import socket, os
def door():
    made = socket.create_connection(("127.0.0.1", 30128))
    made.settimeout(20)
    return made
idle = [door() for _ in range(300)]
for each in idle: each.close()
endless = door()
try:
    endless.sendall(b"GET http://api.example.com/ HTTP/1.1\r\n" + b"x: y\r\n" * 1000000)
    while endless.recv(65536): pass
except OSError: pass
socks = b"\x05\x01\x00\x05\x01\x00\x03\xff"
for junk in (b"\x05", socks, os.urandom(5000), b"\0" * 100, b"CONNECT x HTTP/1.1\r\n\r\n"):
    with door() as each: each.sendall(junk)
"""
    done = ordinary.does(f"""
        {sys.executable} -c {shlex.quote(flood)}
        say still {CURL} http://api.example.com/page
        """)
    assert f"still: {PAGE}" in done.lines, done.log
    assert done.doors == 0


async def test_temporal_itself_is_out_of_reach(
    repositories: Repositories, origin: Path, temporal_server: WorkflowEnvironment, tmp_path: Path
) -> None:
    one = OneDaemon(tmp_path / "one", repositories, origin)
    target = temporal_server.client.service_client.config.target_host
    host, port = target.split(":")
    connect = f"import socket; socket.create_connection(('{host}', {port})); print('reach' + 'ed')"
    ways = ("--proxytunnel", "--proxy socks5h://127.0.0.1:30128")
    asking = "; ".join(f"{CURL} --noproxy '' {way} http://$at:{port}" for way in ways)
    script = f'set +e; {sys.executable} -c "{connect}"; for at in {host} localhost; do {asking}; done; true'
    outside = await run((sys.executable, "-c", connect), cwd=tmp_path, env={}, timeout=60)
    assert outside.text == "reached"
    need("curl", "curl")
    one.more["sandbox"] = await need_sandbox(tmp_path)
    await one.does(script)
    (log,) = one.tasks.glob("*/task/log.txt")
    text = log.read_text()
    assert "reached" not in text
    assert f"refused {host}:{port}: a loopback address; network_local" in text, text
    assert "Connection refused" in text


async def test_a_door_ends_with_a_daemon_that_is_killed(tmp_path: Path) -> None:
    daemon, door = await door_of_a_daemon(tmp_path)
    daemon.kill()
    await daemon.wait()
    await until(lambda: has_ended(door))


def test_the_prompt_says_what_is_reached(ordinary: Lab) -> None:
    done = ordinary.does("cat; true", network=["api.example.com"], network_local=["127.0.0.1:7233"])
    told = " ".join(done.log.split())
    assert "Of the internet you reach api.example.com, by the proxy that HTTP_PROXY" in told, done.log
    assert "are out of reach, but for 127.0.0.1:7233: they need `network_local` in the daemon's settings" in told
