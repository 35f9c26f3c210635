"""What an agent writes to its door by hand, past every tool's own checks (issue 11, number 2)."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from pathlib import Path

import psutil
import pytest

from tests.attacks.door_of_a_daemon import door_of_a_daemon
from tests.attacks.machine.addresses import LATE, OWN, OWN6, PAGE, PRIVATE, REBINDING, SECRET, SECRET_PORT, WEB
from tests.attacks.machine.delivering import OWN_PROXY_PORT, PROXY_PASSWORD, PROXY_PORT
from tests.attacks.machine.lab import Lab
from tests.integration.deliveries import until
from tests.processes import has_ended

CLIENT = """
import socket, struct, sys
def asks(data, wait=10):
    with socket.create_connection(("127.0.0.1", 30128), timeout=wait) as door:
        door.sendall(data)
        found = b""
        try:
            while len(found) < 2000 and (more := door.recv(65536)):
                found += more
        except OSError as error:
            found += type(error).__name__.encode()
        return found
def says(name, data, wait=10):
    print(name, "->", asks(data, wait)[:2000], flush=True)
def host(name):
    return name.encode() if isinstance(name, str) else name
get = b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
def by_connect(at):
    return b"CONNECT " + host(at) + b":PORT HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" + get
def by_get(at):
    return b"GET http://" + host(at) + b":PORT/ HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"
def by_name(at):
    name = host(at)
    return b"\\x05\\x01\\x00\\x05\\x01\\x00\\x03" + bytes((len(name),)) + name + struct.pack(">H", PORT) + get
def by_address(at):
    version = socket.AF_INET6 if ":" in at else socket.AF_INET
    kind = b"\\x04" if ":" in at else b"\\x01"
    return b"\\x05\\x01\\x00\\x05\\x01\\x00" + kind + socket.inet_pton(version, at) + struct.pack(">H", PORT) + get
""".replace(":PORT", f":{SECRET_PORT}").replace("PORT)", f"{SECRET_PORT})")

STILL = f"""
says("still", b"CONNECT {WEB}:80 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\nGET /page HTTP/1.0\\r\\n\\r\\n")
"""
"""After all that the door does what it is there for."""
NAMES = (
    *("localhost.", "localhost..", "LOCALHOST", "a.localhost", "ip6-localhost", "127.0.0.1.", "0177.0.0.1", "0x7f.1"),
    *("017700000001", "0x7f.0.0.1", "127.000.000.001", "127.0.1", "0", "0.0.0.0.", "00000000.0.0.1", "①②⑦.0.0.1"),
    *("１２７.０.０.１", "127。0。0。1", "ｌｏｃａｌｈｏｓｔ", "lｏcalhost", "xn--lcalhost-n0a"),
    *("user@127.0.0.1", "api.example.com@127.0.0.1", "api.example.com:80@127.0.0.1", "127.0.0.1#.example.com"),
    *("127.0.0.1\\.example.com", "127.0.0.1/.example.com", "127.0.0.1?.example.com", "127.0.0.1%00.example.com"),
    *("%31%32%37.0.0.1", "127%2e0.0.1", f"{OWN}.", "[::1].", "[::]", "[::1%25lo]", "::1", "[::1", "::1]", "[fd00::1]"),
    *("[::ffff:0:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::127.0.0.1]", "[fec0::1]"),
    *("[2002:7f00:0001::]", "[2001:0:7f00:1::]", f"[{OWN6}]", f"[::{OWN}]", f"[::ffff:{PRIVATE}]", "[::0.0.0.1]"),
    *("[0:0:0:0:0:0:0:1]", "[fe80::1]", "[fe80::1%25w0]"),
)
ADDRESSES = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", OWN, PRIVATE, "169.254.169.254", "255.255.255.255", "224.0.0.1"),
    *("::1", "::", OWN6, f"::ffff:{OWN}", "::ffff:127.0.0.1", f"::{PRIVATE}", "64:ff9b::7f00:1", "2002:7f00:1::1"),
)


def test_no_way_of_writing_a_host_leads_inside(ordinary: Lab) -> None:
    script = f"""{CLIENT}
for at in {NAMES!r}:
    for way in (by_connect, by_get, by_name):
        says(f"{{way.__name__}} {{at!a}}", way(at))
    says(f"raw {{at!a}}", by_connect(at.encode("latin-1", errors="replace")))
for at in {ADDRESSES!r}:
    says(f"by_address {{at}}", by_address(at))
{STILL}
"""
    done = ordinary.does(f"{sys.executable} -c {shlex.quote(script)}")
    assert PAGE in done.log, done.log
    assert SECRET not in done.log


OTHER_COMMANDS = """
target = socket.inet_aton("AT") + struct.pack(">H", PORT)
hello = b"\\x05\\x01\\x00"
for name, first in (("bind", 2), ("udp", 3), ("resolve", 0xf0), ("none", 0)):
    says(name, hello + bytes((5, first, 0, 1)) + target + get)
for command in (1, 2):
    four = bytes((4, command)) + target[4:]
    says("socks4", four + target[:4] + b"me\\0" + get)
    says("socks4a", four + bytes((0, 0, 0, 1)) + b"me\\0localhost\\0" + get)
says("password", b"\\x05\\x01\\x02" + b"\\x01\\x01a\\x01b" + bytes((5, 1, 0, 1)) + target + get)
says("version", hello + bytes((4, 1, 0, 1)) + target + get)
""".replace("AT", WEB).replace("PORT", "80")


def test_of_socks_there_is_nothing_but_connect(ordinary: Lab) -> None:
    """BIND and UDP ASSOCIATE would open ports of the machine; even to a server that CONNECT reaches they do nothing."""
    script = f"{CLIENT}{OTHER_COMMANDS}{STILL}"
    done = ordinary.does(f"{sys.executable} -c {shlex.quote(script)}")
    said = dict(line.split(" -> ", 1) for line in done.lines if " -> " in line)
    refused = repr(b"\x05\x00\x05\x07\x00\x01" + bytes(6))
    assert {name: said[name] for name in ("bind", "udp", "resolve", "none", "version")} == dict.fromkeys(
        ("bind", "udp", "resolve", "none", "version"), refused
    )
    assert (said["socks4"], said["socks4a"], said["password"]) == ("b''", "b''", repr(b"\x05\xff"))
    assert PAGE in said["still"]


def test_a_name_that_is_somewhere_else_a_moment_later_is_connected_to_where_it_was_checked(ordinary: Lab) -> None:
    script = f"""{CLIENT}
for number in range(12):
    says("connect", by_connect("{REBINDING}"))
    says("get", by_get("{REBINDING}"))
    says("socks", by_name("{REBINDING}"))
{STILL}
"""
    done = ordinary.does(f"{sys.executable} -c {shlex.quote(script)}")
    assert SECRET not in done.log
    assert f"refused {REBINDING}:{SECRET_PORT}: 127.0.0.1 is a loopback address" in done.log, done.log
    assert f"to {REBINDING}:{SECRET_PORT}" in done.log, "it was never the internet's: nothing was tried"


def test_with_none_the_model_is_reached_through_a_proxy_on_loopback_and_nothing_else(ordinary: Lab) -> None:
    proxy = f"http://me:{PROXY_PASSWORD}@127.0.0.1:{PROXY_PORT}"
    done = ordinary.does(
        f"""
        env; cat /proc/self/environ; echo
        say model curl --silent --max-time 20 https://nowhere.example.net/page
        say other curl --silent --max-time 20 https://elsewhere.example.net/page
        say known curl --silent --max-time 20 https://api.example.com/page
        say proxy curl --silent --max-time 20 --noproxy '' --proxytunnel http://127.0.0.1:{PROXY_PORT}/
        """,
        network="none",
        env={"OPENAI_BASE_URL": "https://nowhere.example.net/v1"},
        environ={"HTTPS_PROXY": proxy, "http_proxy": proxy},
    )
    assert PROXY_PASSWORD not in done.log
    assert done.proxied == ("CONNECT nowhere.example.net:443 with the password",), done.log
    for target in ("elsewhere.example.net:443", "api.example.com:443"):
        assert f"refused {target}: network does not name it" in done.log
    assert f"refused 127.0.0.1:{PROXY_PORT}: a loopback address" in done.log


def test_a_proxy_on_this_machine_that_looks_names_up_again_leads_no_further(ordinary: Lab) -> None:
    """It is asked for the address that was checked, and for no name that is nowhere for us, and is somewhere for it."""
    script = f"""{CLIENT}
for number in range(12):
    says("connect", by_connect("{REBINDING}"))
    says("get", by_get("{REBINDING}"))
    says("socks", by_name("{REBINDING}"))
    says("late", by_connect("{LATE}"))
    says("late", by_get("{LATE}"))
says("web", by_get("api.example.com/page").replace(b":{SECRET_PORT}/", b""))
{STILL}
"""
    proxy = f"http://127.0.0.1:{OWN_PROXY_PORT}"
    done = ordinary.does(
        f"""
        {sys.executable} -c {shlex.quote(script)}
        say https curl --silent --max-time 20 https://api.example.com/page
        """,
        environ={"HTTPS_PROXY": proxy, "http_proxy": proxy},
    )
    assert SECRET not in done.log, done.log
    assert f"https: {PAGE}" in done.lines, done.log
    assert {name for line in done.lines for name in ("still", "web") if line.startswith(name) and PAGE in line} == {
        "still",
        "web",
    }


async def test_a_port_that_blocks_does_not_keep_a_door_behind_its_daemon(tmp_path: Path) -> None:
    """What was handed in is the agent's as well, who can make it block again."""
    daemon, door = await door_of_a_daemon(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(socket.AF_UNIX) as connection:
        os.set_blocking(port.fileno(), False)
        connection.connect(str(tmp_path / "door"))
        socket.send_fds(connection, [b"127.0.0.1 1"], [port.fileno()])

        def blocks() -> bool:
            os.set_blocking(port.fileno(), True)
            with socket.create_connection(port.getsockname()):  # the door wakes up, and takes one more
                pass
            return "accept" in Path(f"/proc/{door.pid}/wchan").read_text()

        await until(blocks)
        daemon.kill()
        await daemon.wait()
        await until(lambda: has_ended(door))


@pytest.mark.rule("6.2")
async def test_what_a_door_is_made_of_is_loaded_when_somebody_knocks(tmp_path: Path) -> None:
    """It takes longer than many a command, and some never reach for the network."""
    daemon, door = await door_of_a_daemon(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as port:
        hand_over(tmp_path, b"127.0.0.1 1", first)
        hand_over(tmp_path, b"not a\0name", port)
        await until(lambda: port_is_held_by(door, port))
        assert "-m" not in door.cmdline()
        with socket.create_connection(port.getsockname()) as knocking:
            knocking.sendall(b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
            assert (await asyncio.to_thread(knocking.recv, 4096)).startswith(b"HTTP/1.1 403")
        assert "-m" in door.cmdline()
        with socket.create_server(("127.0.0.1", 0)) as last:
            hand_over(tmp_path, b"127.0.0.1 1", last)
            with socket.create_connection(last.getsockname()) as knocking:
                knocking.sendall(b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n")
                assert (await asyncio.to_thread(knocking.recv, 4096)).startswith(b"HTTP/1.1 403")
    daemon.kill()
    await daemon.wait()
    await until(lambda: has_ended(door))


@pytest.mark.rule("6.2")
async def test_a_door_that_nobody_knocked_at_ends_with_its_daemon(tmp_path: Path) -> None:
    daemon, door = await door_of_a_daemon(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(socket.AF_UNIX) as silent:
        hand_over(tmp_path, b"127.0.0.1 1", port)
        silent.connect(str(tmp_path / "door"))
        daemon.kill()
        await daemon.wait()
        await until(lambda: has_ended(door))


def hand_over(folder: Path, name: bytes, port: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "door"))
        socket.send_fds(connection, [name], [port.fileno()])


def port_is_held_by(door: psutil.Process, port: socket.socket) -> bool:
    inode = f"socket:[{os.fstat(port.fileno()).st_ino}]"
    return any(str(each.readlink()) == inode for each in Path(f"/proc/{door.pid}/fd").iterdir())
