"""What attacks share with the tests of git: a remote, and commits in it; and the machine of those of the network."""

from __future__ import annotations

from tests.attacks.machine.lab import lab, labs, ordinary
from tests.integration.conftest import cache, commit, daemon_git, git, origin, repositories

__all__ = ["cache", "commit", "daemon_git", "git", "lab", "labs", "ordinary", "origin", "repositories"]
