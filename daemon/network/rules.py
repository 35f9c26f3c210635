"""What a daemon's settings say of the network of its agents: `network` and `network_local`; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from daemon.network.addresses import Address, Network, literal, plain

LOCALHOST = "localhost"
LOOPBACK = ("127.0.0.1", "::1")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_]([a-z0-9_-]{0,62})?)*")
_SHAPE = 'a host with or without a port ("api.example.com", "*.example.com:443", "10.0.0.0/8", "[::1]:8080")'


@dataclass(frozen=True)
class Rule:
    """One entry of a list: a host, or a network of addresses, and the port."""

    name: str = ""
    """A name; `*.NAME`: any name below it; `*`: all names and addresses. Empty where `addresses` is set."""
    addresses: Network | None = None
    port: int | None = None
    """None: all."""

    def names(self, host: str, port: int) -> bool:
        """Whether it allows the name `host`, given in lower case."""
        if not self.name or self.port not in (None, port):
            return False
        below = self.name.startswith("*.") and host.endswith(self.name[1:]) and literal(host) is None
        return self.name in ("*", host) or below

    def holds(self, address: Address, port: int) -> bool:
        """Whether it allows the address, by whatever name it was found."""
        if self.port not in (None, port):
            return False
        if self.name == LOCALHOST:
            return str(address) in LOOPBACK
        if self.addresses is None:
            return self.name == "*"
        address = plain(address)
        return address.version == self.addresses.version and address in self.addresses


def parse_rule(text: str) -> Rule:
    """ValueError, in a sentence, for what is no rule. A number alone is a port of this machine's loopback."""
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        return Rule(LOCALHOST, port=_port(text, text))
    found = re.fullmatch(r"\[([^][]+)\](?::([0-9]+))?", text, re.ASCII)
    if found is None and text.count(":") < 2:
        found = re.fullmatch(r"([^:]+)(?::([0-9]+))?", text, re.ASCII)
    host, port = found.groups() if found else (text, None)
    number = _port(port, text) if port is not None else None
    try:
        return Rule(addresses=ip_network(host, strict=False), port=number)
    except ValueError:
        pass
    name = host.lower().rstrip(".")
    if name != "*" and not is_name(name.removeprefix("*.")):
        raise ValueError(f"{text!r} is not {_SHAPE}")
    return Rule(name, port=number)


def is_name(host: str) -> bool:
    """Whether `host`, in lower case, is a name that may be looked up; nothing else reaches a resolver or a log."""
    return _NAME.fullmatch(host) is not None and literal(host) is None


def rule_for(host: str, port: int) -> str:
    """The text of the rule that allows exactly this."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(digits: str, text: str) -> int:
    if len(digits) > 5 or not 1 <= int(digits) <= 65535:
        raise ValueError(f"{text!r} names no port from 1 to 65535")
    return int(digits)


def _checked(text: str) -> str:
    parse_rule(text)
    return text


def _as_text(given: object) -> object:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


def _as_network(given: object) -> object:
    if isinstance(given, str) and given not in ("internet", "none"):
        raise ValueError('must be "internet", "none", or a list such as ["api.example.com", "*.example.org:443"]')
    return given


RuleText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_checked)]
LocalRules = tuple[RuleText, ...]
Reach = Annotated[Literal["internet", "none"] | LocalRules, BeforeValidator(_as_network)]
"""How far agents reach beyond their sandbox."""
