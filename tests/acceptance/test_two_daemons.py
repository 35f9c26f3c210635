"""Two daemons that take each other for themselves: one home, or one name on two machines (rules 5.4, 6.10)."""

from __future__ import annotations

import shutil

import pytest

from tests.acceptance.greeter import FIRST_STEPS, Greeter, Result
from tests.acceptance.stack import Site, until


@pytest.mark.rule("6.10")
def test_a_second_daemon_in_the_same_home_ends_at_once_and_harms_nothing(site: Site, undisturbed: Result) -> None:
    site.worker()
    site.daemon("one")
    greeter = Greeter(site)
    start = greeter.start()
    greeter.until_running(*FIRST_STEPS)
    second = site.daemon("one")
    assert second.wait() == 2
    assert "another daemon runs in" in second.err and "give this one another name" in second.err
    greeter.let("all")
    result = greeter.result(start.ran())
    assert result.tree == undisturbed.tree
    assert greeter.starts_of_first_steps() == [1, 1]


@pytest.mark.rule("5.4")
def test_a_copied_home_neither_harms_the_first_machine_nor_repeats_its_work(site: Site, undisturbed: Result) -> None:
    """Somebody has cloned a machine while it worked: same name, same caches, same notes of unfinished work."""
    site.worker()
    site.daemon("one")
    greeter = Greeter(site)
    start = greeter.start()
    greeter.until_running(*FIRST_STEPS)
    shutil.copytree(site.folder / "one", site.folder / "copy" / "one", symlinks=True)
    with Site(site.servers, site.folder / "copy", site.owner) as elsewhere:
        copy = elsewhere.daemon("one")
        until(lambda: "serves" in copy.err, "the copy's readiness")
        greeter.let("all")
        result = greeter.result(start.ran())
        assert copy.popen.poll() is None, copy.err
    assert result.tree == undisturbed.tree
    result.check_each_step_once()
    assert greeter.starts_of_first_steps() == [1, 1]
