"""What attacks share with the tests of git: a remote, and commits in it."""

from __future__ import annotations

from tests.integration.conftest import commit, git, origin

__all__ = ["commit", "git", "origin"]
