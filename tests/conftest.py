"""What all tests share: the real servers of a run, and the time that each part took."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import defaultdict
from heapq import nlargest
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import settings

from domain.value import build_models
from tests.run_servers import begin_run, this_run

SLOWEST = 10
"""Files that are named at the end."""
LONGEST = 500
"""Characters of a line that is repeated at the end."""

pytest_plugins = [
    "tests.fixtures_stack",
    "tests.fixtures_ledger",
    "tests.fixtures_forges",
    "tests.forge_differences",
    "tests.fixtures_desk",
]


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what it runs in the background with these ignored, and whatever a test starts would inherit that.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    if os.environ.get("MAKIMA_REQUIRE_ALL"):  # what lands is asked the same each time; new cases are found elsewhere
        settings.load_profile("ci")
    if find_spec("sniffio") is None:  # httpcore looks for it several times in each request, on pytest's long way
        sys.modules["sniffio"] = None  # type: ignore[assignment]
    if not hasattr(config, "workerinput"):  # a worker of xdist belongs to the run that started it
        begin_run()


def pytest_collection_finish() -> None:
    build_models()  # as whatever connects to Temporal does; a test's own client doesn't
    gc.collect()
    gc.freeze()  # thousands of tests and all of our modules, which would be looked through each time


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        this_run().end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seconds by part (the folders of tests/) and the files that took longest, so that a slow one is seen
    where it grows; and what has failed once more in two lines each: of a long output, the end is what is kept.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    files: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                file = Path(report.nodeid.partition("::")[0])
                seconds[file.parts[1]] += report.duration
                files["/".join(file.parts[1:])] += report.duration
    terminalreporter.section("time by part")
    for part, spent in sorted(seconds.items(), key=lambda part: -part[1]):
        terminalreporter.write_line(f"{part:<12} {spent:6.1f} s")
    slowest = nlargest(SLOWEST, files.items(), key=itemgetter(1))
    terminalreporter.write_line("slowest: " + ", ".join(f"{file} {spent:.0f} s" for file, spent in slowest))
    for report in (*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")):
        crash = getattr(report.longrepr, "reprcrash", None)
        if lines := crash.message.splitlines() if crash else []:
            terminalreporter.section(report.nodeid.rpartition("::")[2])
            for line in dict.fromkeys((lines[0], lines[-1])):
                terminalreporter.write_line(line[:LONGEST])
