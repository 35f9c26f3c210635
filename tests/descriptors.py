"""What this process holds open, so that a test can say that nothing has stayed."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil


def open_descriptors() -> Counter[str]:
    """What each of them leads to. Without connections over the network, and to be compared by `-`: clients of other
    tests connect again, and what they have left is closed whenever Python finds it.
    """
    elsewhere = {each.fd for each in psutil.Process().net_connections("inet")}
    found: Counter[str] = Counter()
    for each in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # that of the list itself
            if int(each.name) not in elsewhere:
                found[str(each.readlink())] += 1
    return found
