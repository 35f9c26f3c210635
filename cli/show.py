"""Directives as lines of text: what `status`, `list` and `watch` print."""

from __future__ import annotations

from collections.abc import Sequence

from domain.models import StepStatus, TaskStatus
from domain.names import short
from domain.reports import DaemonSeen, DirectiveSummary
from domain.view import DirectiveView, StepView


def status_lines(shown: DirectiveView, *, live: bool, daemons: Sequence[DaemonSeen], web_ui: str | None) -> list[str]:
    """Everything about one directive."""
    lines = [
        f"{shown.title}",
        f"  id          {shown.id}",
        f"  status      {shown.status}, generation {shown.generation}"
        + ("" if live else "  (from the record: no worker answered)"),
        f"  repository  {shown.repository}, branch {shown.base_branch}",
    ]
    lines += [f"  reason      {shown.reason}"] if shown.reason else []
    lines += [f"  branch      {shown.pr.branch} at {shown.pr.head[:10]}"] if shown.pr else []
    lines += [f"  web ui      {web_ui}"] if web_ui else []
    lines += [f"  {name}: {status}" for name, status in shown.tasks.items()]
    lines += ["  " + step_line(step) for step in shown.steps]
    missing = no_daemon_note(shown, daemons)
    return [*lines, f"  {missing}"] if missing else lines


def step_line(step: StepView) -> str:
    """One step, in the order in which a reader looks: status, name, where, why."""
    place = f" on {step.daemon}" if step.daemon and step.status is StepStatus.RUNNING else ""
    work = f"  {step.branch} {step.head_sha[:10]}".rstrip() if step.head_sha else ""
    why = step.failure or step.waiting
    return f"{step.status:<10} {step.name}{place}{work}" + (f"  ({why})" if why else "")


def no_daemon_note(shown: DirectiveView, daemons: Sequence[DaemonSeen]) -> str:
    """Said when something waits for a daemon and none has reported lately (SPEC 4.4)."""
    waits = any(step.status is StepStatus.READY for step in shown.steps) or any(
        status.startswith(TaskStatus.PENDING) for status in shown.tasks.values()
    )
    if not waits or any(daemon.reported_lately for daemon in daemons):
        return ""
    return (
        f"waits for a daemon: none of owner {shown.owner!r} has reported in the last 90 s. "
        "Start one with `python -m daemon`; the directive goes on by itself."
    )


def list_line(summary: DirectiveSummary) -> str:
    """One directive in a list."""
    steps = ", ".join(f"{count} {status}" for status, count in sorted(summary.steps.items()))
    reason = f"  ({summary.reason})" if summary.reason else ""
    return f"{short(summary.id)}  {summary.status:<10} {summary.title}  [{steps or 'no steps'}]{reason}"


def changes(before: DirectiveView | None, now: DirectiveView) -> list[str]:
    """A line for everything that differs between two looks at a directive."""
    lines = []
    if before is None or (before.status, before.generation) != (now.status, now.generation):
        lines.append(
            f"{now.title}: {now.status}, generation {now.generation}" + (f": {now.reason}" if now.reason else "")
        )
    known = {step.id: step for step in before.steps} if before else {}
    lines += ["  " + step_line(step) for step in now.steps if _differs(known.get(step.id), step)]
    if now.pr and (before is None or before.pr != now.pr):
        lines.append(f"  branch {now.pr.branch} at {now.pr.head[:10]}")
    return lines


def _differs(before: StepView | None, now: StepView) -> bool:
    return before is None or (before.status, before.attempt, before.daemon) != (now.status, now.attempt, now.daemon)
