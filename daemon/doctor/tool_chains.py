"""What `python -m daemon doctor` tells of the tool chains that it has found: pure."""

from __future__ import annotations

from pathlib import Path

from daemon.sandbox.certificates import Certificates
from daemon.tool_chains.machine_tools import Inventory
from daemon.tool_chains.search import FoundToolChain
from domain.health_report import Check, good, warning

_NAMED = 6
"""Of a kind; the rest is counted."""


def tool_chain_checks(inventory: Inventory, home: Path) -> list[Check]:
    """A line for each tool chain and each cache of downloads: where it lies, its versions, what agents are shown."""
    checks = [_check(chain, home) for chain in inventory.chains]
    for name, cache in inventory.caches.items():
        shared = _some([str(path.relative_to(cache.folder)) for path in cache.shared])
        checks.append(good(f"downloads {name}", f"{_short(cache.folder, home)}; shared, to be read: {shared}"))
    return checks


def certificate_checks(certificates: Certificates) -> list[Check]:
    """What the environment names and agents are not shown."""
    remedy = "name a file of certificates alone"
    return [warning("certificates", each, remedy) for each in certificates.refused]


def _check(chain: FoundToolChain, home: Path) -> Check:
    told = [_short(chain.folder, home)] if chain.folder else []
    told += [f"versions: {_some(chain.versions)}"] if chain.versions else []
    told += [f"shown, to be read: {_some([_below(path, chain.folder, home) for path in chain.shown])}"]
    told += [f"on PATH: {_some([_short(path, home) for path in chain.path])}"] if chain.path else []
    hidden = [*(f"{_below(path, chain.folder, home)} may hold credentials" for path in chain.masked), *chain.refused]
    told += [f"not shown: {_some(hidden)}"] if hidden else []
    return good(f"tool chain {chain.name}", "; ".join(told))


def _below(path: Path, folder: Path | None, home: Path) -> str:
    return str(path.relative_to(folder)) if folder and path.is_relative_to(folder) else _short(path, home)


def _short(path: Path, home: Path) -> str:
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _some(names: list[str]) -> str:
    further = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED]) or 'nothing'}{further}"
