"""What a sandbox has of its door: a socket, the ports on which it is reached inside, and the variables that name it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.network.door_policy import Policy
from daemon.sandbox import inside, tunnel
from daemon.sandbox.sandbox_view import View, readable

SOCKET = Path("/run/makima-door")
"""Where the sandbox has it."""
HOST = "127.0.0.1"
FIRST_PORT = 30128
"""Below the range from which the kernel takes ports by itself."""
PROGRAM, TUNNEL = Path(inside.__file__), Path(tunnel.__file__)
_NOT_PROXIED = "localhost,127.0.0.1,::1,.localhost"
_NOTE = """\
## Your network

You run in a sandbox with a network of its own. {reach}, by the proxy that HTTP_PROXY, HTTPS_PROXY and
ALL_PROXY name; what it refuses it answers with the setting that would allow it. Servers that you start are reached at
127.0.0.1. Loopback and private addresses of the machine are out of reach{local}: they need `network_local`
in the daemon's settings, which you can't change.
"""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Doorway:
    """The door of one delivery, seen from its sandboxes."""

    socket: Path
    """On the machine."""
    policy: Policy

    @classmethod
    def beside(cls, delivery: Path, policy: Policy) -> Doorway:
        """In the delivery's folder, of which no sandbox shows more than this."""
        return cls(delivery / "door", policy)

    @property
    def port(self) -> int:
        """Where it speaks HTTP and SOCKS 5 inside, on HOST."""
        taken = {port for _, port in self.policy.forwards}
        return next(port for port in range(FIRST_PORT, FIRST_PORT + len(taken) + 1) if port not in taken)

    @property
    def note(self) -> str:
        """What an agent should know of it, in its prompt."""
        network, local = self.policy.network, ", ".join(self.policy.network_local)
        names = "nothing but your model" if network == "none" else ", ".join(network)
        reach = f"Of the internet you reach {names or 'nothing'}"
        if network == "internet":
            reach = "The internet is reached"
        return _NOTE.format(reach=reach, local=f", but for {local}" if local else "")

    @property
    def view(self) -> View:
        return {**readable([PROGRAM, TUNNEL]), SOCKET: ("--ro-bind", str(self.socket))}

    def entered(self, argv: Sequence[str]) -> tuple[str, ...]:
        """What starts `argv` in a sandbox with this view and a network of its own: it opens the door's ports first."""
        at = ((HOST, self.port), *self.policy.forwards)
        listening = (part for host, port in at for part in ("--listen", host, str(port)))
        return (*_PYTHON, str(PROGRAM), "--door", str(SOCKET), *listening, "--", *argv)

    def asking(self, host: str, port: int) -> tuple[str, ...]:
        """A command that connects to `host` through the door and leaves again; where it can't, it prints why."""
        return (*_PYTHON, str(TUNNEL), HOST, str(self.port), host, str(port), tunnel.ASK)

    def variables(self, chosen: Mapping[str, str]) -> dict[str, str]:
        """`chosen` with those by which programs find the door; a proxy that it names is out of their reach."""
        url = f"http://{HOST}:{self.port}"
        # In ALL_PROXY, too, it is HTTP: httpx, for one, doesn't even start where a SOCKS proxy is named there.
        proxies = {name: url for upper in _PROXIES for name in (upper, upper.lower())}
        command = shlex.join((*_PYTHON, str(TUNNEL), HOST, str(self.port)))
        ssh = f"ssh -o ProxyCommand={shlex.quote(f'{command} %h %p')}"
        return {
            "GIT_SSH_COMMAND": ssh,
            "NODE_USE_ENV_PROXY": "1",
            **chosen,
            **proxies,
            "NO_PROXY": _NOT_PROXIED,
            "no_proxy": _NOT_PROXIED,
        }


_PYTHON = (sys.executable, "-I", "-S")
