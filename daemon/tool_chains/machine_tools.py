"""The tool chains that tasks of one daemon are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon.sandbox.sandbox_view import View, is_systems, readable, writable
from daemon.tool_chains.caches import FoundCache, find_cache, is_used_in, lay_out
from daemon.tool_chains.chosen_versions import lay_out_versions
from daemon.tool_chains.credentials import CredentialFinder, Identity
from daemon.tool_chains.places import MachinePlaces
from daemon.tool_chains.search import FoundToolChain, search
from daemon.tool_chains.tool_chain import ToolChain, shipped

OWN = "downloads"
"""The folder of a delivery for what its tools download."""
_EMPTY = "empty"


@dataclass(frozen=True)
class GivenTools:
    """What the programs of one delivery get of the machine's tool chains."""

    view: View = field(default_factory=dict)
    masked: View = field(default_factory=dict)
    """What holds credentials in that, and in whatever else every command of the delivery is shown: it is empty."""
    path: tuple[str, ...] = ()
    """In the order of the table."""
    variables: Mapping[str, str] = field(default_factory=dict)
    caches: tuple[FoundCache, ...] = ()
    """What is still to be laid out for it, below `own`."""
    own: Path = Path()
    known: frozenset[Identity] = frozenset()

    def lay_out(self, worktree: Path) -> None:
        """What the machine has downloaded for projects like the one in `worktree`. Blocking; once, before any agent."""
        for cache in self.caches:
            if is_used_in(cache.rule, worktree):
                lay_out(cache, self.own, self.known)


@dataclass(frozen=True)
class Inventory:
    """What was found on this machine at one moment."""

    chains: tuple[FoundToolChain, ...]
    caches: Mapping[str, FoundCache]
    """By the name of their tool chain."""
    known: frozenset[Identity]
    """The user's own files with credentials."""


@dataclass(frozen=True)
class MachineTools:
    """Finds the tool chains anew for each delivery: one may be installed or updated while the daemon runs."""

    chains: Mapping[str, ToolChain]
    """Those of the daemon's settings; one with the name of a shipped one takes its place."""
    environ: Mapping[str, str]
    """The daemon's."""
    home: Path
    """The daemon's own folder; agents can't write to it."""
    hidden: tuple[Path, ...] = ()
    shown: Callable[[], Iterable[Path]] = tuple
    """What sandboxes show beside tool chains, our Python and the agents' programs: that, too, may hold credentials."""
    finder: CredentialFinder = field(default_factory=CredentialFinder)

    @property
    def table(self) -> dict[str, ToolChain]:
        return {**shipped(), **self.chains}

    def take_inventory(self) -> Inventory:
        """Blocking: it reads all folders that are shown, to find files with credentials in them."""
        places = MachinePlaces(self.environ, self.hidden, self.finder)
        chains: dict[str, FoundToolChain] = {}
        caches: dict[str, FoundCache] = {}
        for name, chain in self.table.items():
            try:
                if found := search(name, chain, places):
                    chains[name] = found
                if chain.cache and (cache := find_cache(chain.cache, places, places.folder_of(chain))):
                    caches[name] = cache
            except OSError as error:  # where this user may not look, or a link in a circle
                chains[name] = FoundToolChain(name, None, refused=[f"it can't be looked at: {error}"])
        return Inventory(tuple(chains.values()), caches, places.credentials)

    def equip(self, delivery: Path, task_home: Path, *, is_boxed: bool) -> GivenTools:
        """For the delivery in this folder, whose agent's HOME is `task_home`; makes its folder for downloads, in which
        a later daemon that goes on with the delivery leaves what it finds. Blocking; OSError.
        """
        inventory, own = self.take_inventory(), delivery / OWN
        is_new = not own.exists()  # in one that was there an agent has been, and may have left links
        lays_out = is_boxed and is_new  # without a sandbox a task would write through the links
        own.mkdir(exist_ok=True)
        if is_new:
            self._lay_out_versions(inventory, task_home)
        caches = tuple(cache for cache in inventory.caches.values() if cache.rule.linked) if lays_out else ()
        shown = [path for chain in inventory.chains for path in chain.shown]
        cached = [path for cache in inventory.caches.values() for path in cache.shared]
        view = {**readable([*shown, *cached]), **writable([own])}
        path = dict.fromkeys(str(each) for chain in inventory.chains for each in chain.path)
        masked = self._masked(inventory) if is_boxed else {}
        variables = dict(self._variables(inventory, own, task_home))
        return GivenTools(view, masked, tuple(path), variables, caches, own, inventory.known)

    def _lay_out_versions(self, inventory: Inventory, task_home: Path) -> None:
        places = MachinePlaces(self.environ, self.hidden, self.finder)
        for name in {chain.name for chain in inventory.chains if chain.folder}:
            chosen = self.table[name].chosen
            if chosen and (file := places.expand(chosen.place)):
                lay_out_versions(file, task_home / chosen.own)

    def _masked(self, inventory: Inventory) -> View:
        """What holds credentials, as an empty file or folder: also where a sandbox shows it for another reason."""
        file, folder = self.home / _EMPTY, self.home / f"{_EMPTY}.d"
        file.touch(mode=0o444)
        folder.mkdir(exist_ok=True)
        roots = {each.resolve() for each in self.shown()}
        roots |= {path for cache in inventory.caches.values() for path in cache.shared}
        further = (each for root in roots if not is_systems(root) for each in self.finder.find(root, inventory.known))
        masked = {*further, *(path for chain in inventory.chains for path in chain.masked)}
        return {path: ("--ro-bind", str(folder if path.is_dir() else file)) for path in masked}

    def _variables(self, inventory: Inventory, own: Path, task_home: Path) -> Iterator[tuple[str, str]]:
        folders = {chain.name: chain.folder for chain in inventory.chains}
        for name, chain in self.table.items():
            cache = inventory.caches.get(name)
            if name not in folders and not cache:
                continue
            known = {"{own}": own, "{home}": task_home, "{folder}": folders.get(name)}
            known["{cached}"] = cache.folder if cache else None
            for variable, template in chain.variables.items():
                if value := _filled(template, known):
                    yield variable, value


def _filled(template: str, known: Mapping[str, Path | None]) -> str:
    """Empty where the template names what isn't there."""
    if any(place in template and path is None for place, path in known.items()):
        return ""
    value = template
    for place, path in known.items():
        value = value.replace(place, str(path))
    return "" if template.startswith("{folder}") and not Path(value).exists() else value
