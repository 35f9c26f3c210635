"""What may pass through one door, decided before a connection is made; pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from daemon.network.addresses import Address, literal, why_not_public
from daemon.network.rules import LOCALHOST, LOOPBACK, LocalRules, Reach, Rule, is_name, parse_rule, rule_for
from domain.value import Value

ANYWHERE = (Rule("*"),)
FIRST_OPEN_PORT = 1024


class ConnectionRefused(Exception):
    """Nothing may pass to this target; `setting` would allow it, where one could."""

    def __init__(self, why: str, setting: str = "") -> None:
        super().__init__(f"{why}; {setting} in the daemon's settings would allow it" if setting else why)
        self.why = why
        self.setting = setting


class Policy(Value):
    """What an agent's door lets through; handed to the door's process as JSON."""

    network: Reach = "internet"
    network_local: LocalRules = ()
    """Allowed whatever the address is: the settings' own, and the model's server where they name it."""
    models: LocalRules = ()
    """Public hosts of the agent's vendor, allowed whatever `network` says."""

    @cached_property
    def _public(self) -> tuple[Rule, ...]:
        named = ANYWHERE if self.network == "internet" else () if self.network == "none" else _parsed(self.network)
        return (*named, *_parsed(self.models))

    @cached_property
    def _local(self) -> tuple[Rule, ...]:
        return _parsed(self.network_local)

    @property
    def forwards(self) -> tuple[tuple[str, int], ...]:
        """Loopback addresses and ports that are the machine's own inside, too: (address, port), without repetition.

        Nobody inside may open a port below 1024, we neither.
        """
        rules = ((rule, rule.port) for rule in self._local if rule.port is not None and rule.port >= FIRST_OPEN_PORT)
        return tuple(dict.fromkeys((host, port) for rule, port in rules for host in _loopback_hosts(rule)))

    def check_name(self, host: str, port: int) -> None:
        """Refused where no rule could allow it: then it is not even looked up, which would tell its name outside."""
        if literal(host) is not None or host == LOCALHOST:
            return
        if not is_name(host):
            raise ConnectionRefused("this is no host's name")
        if not any(rule.names(host, port) for rule in (*self._public, *self._local)):
            raise self._unnamed(host, port)

    def allowed(self, host: str, port: int, addresses: Iterable[Address], own: Iterable[Address]) -> list[Address]:
        """Those of the host's addresses that may be connected to; Refused where none may. `own`: those of them at which
        this machine answers.
        """
        mine, found = set(own), list(addresses)
        passed = [one for one in found if self._is_local(host, port, one)]
        outside = [one for one in found if one not in mine and not why_not_public(one)]
        passed += [one for one in outside if one not in passed and self._reaches(host, port, one)]
        if passed:
            return passed
        if outside:
            raise self._unnamed(host, port)
        kinds = {str(one): why_not_public(one) or "an address of this machine" for one in found}
        at, kind = next(iter(kinds.items()), (host, "no address"))
        is_literal = literal(host) is not None
        raise ConnectionRefused(
            kind if is_literal else f"{at} is {kind}", f'network_local = ["{rule_for(host, port)}"]'
        )

    def is_named(self, host: str, port: int) -> bool:
        """Whether the settings themselves name this host, and not only what lies below a name."""
        return any(rule.name == host and rule.names(host, port) for rule in (*self._public, *self._local))

    def _is_local(self, host: str, port: int, address: Address) -> bool:
        return any(rule.names(host, port) or rule.holds(address, port) for rule in self._local)

    def _reaches(self, host: str, port: int, address: Address) -> bool:
        return any(rule.names(host, port) or rule.holds(address, port) for rule in self._public)

    def _unnamed(self, host: str, port: int) -> ConnectionRefused:
        return ConnectionRefused("network does not name it", f'network = ["{rule_for(host, port)}"]')


def _parsed(rules: Iterable[str]) -> tuple[Rule, ...]:
    return tuple(parse_rule(rule) for rule in rules)


def _loopback_hosts(rule: Rule) -> tuple[str, ...]:
    if rule.name == LOCALHOST:
        return LOOPBACK
    if rule.addresses is not None and rule.addresses.num_addresses == 1 and rule.addresses.is_loopback:
        return (str(rule.addresses.network_address),)
    return ()
