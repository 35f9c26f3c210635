"""`python -m bench [--save] [NAME…]`: runs the benchmarks (all, where none is named) and prints one table, with the
last committed ratios (bench/results.json) beside today's. `--save` makes today's the committed ones.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from rich.console import Console

from bench import cold, commands, figures, hop, idle, step, throughput
from bench.figures import Figure
from domain.errors import SettingsError
from runtime.exit import leave, run

BENCHMARKS: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
    "step": step.figures,
    "hop": hop.figures,
    "many": throughput.many,
    "fan": throughput.fan,
    "idle": idle.figures,
    "cold": cold.figures,
    "commands": commands.figures,
}


async def main() -> int:
    named = [each for each in sys.argv[1:] if each != "--save"]
    if unknown := [each for each in named if each not in BENCHMARKS]:
        raise SettingsError(f"there is no benchmark {unknown[0]!r}: choose from {', '.join(BENCHMARKS)}")
    found: list[Figure] = []
    for name in named or BENCHMARKS:
        sys.stderr.write(f"{name} …\n")
        found += await BENCHMARKS[name]()
    today = figures.results(found)
    Console(width=max(140, Console().width)).print(figures.table(today, figures.committed()))
    if "--save" in sys.argv:
        figures.save(today)
    return 0


if __name__ == "__main__":
    leave(run(main))
