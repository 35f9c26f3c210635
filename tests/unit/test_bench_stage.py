"""What the benchmarks ask of processes, which may end while they are asked."""

from __future__ import annotations

import os
import subprocess

import psutil

from bench.stage import cpu_seconds, of_each, processes


def test_a_process_that_ends_meanwhile_is_passed_over() -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(ended.pid).status() == psutil.STATUS_ZOMBIE
        gone = psutil.Process(ended.pid)
        assert ended.pid not in {each.pid for found in processes().values() for each in found}
        assert cpu_seconds().keys() == processes().keys()
    here = psutil.Process()
    assert list(of_each([gone, here], psutil.Process.cmdline)) == [here.cmdline()]
