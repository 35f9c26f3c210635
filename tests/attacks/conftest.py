"""What attacks share with the tests of git: a remote, and commits in it; the forger of our state, and the machine
of the attacks by network."""

from __future__ import annotations

from tests.attacks.forging import forger, one, other, ours
from tests.attacks.machine.lab import lab, labs, ordinary
from tests.integration.conftest import cache, commit, daemon_git, first_origin, git, origin, repositories

__all__ = [
    "cache",
    "commit",
    "daemon_git",
    "first_origin",
    "forger",
    "git",
    "lab",
    "labs",
    "one",
    "ordinary",
    "origin",
    "other",
    "ours",
    "repositories",
]
