"""What in GitHub's answers about checks asks for work (rule 7.5); pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from daemon.forges.audience import NotHeard
from daemon.forges.findings import link, status_finding, tail, title_of
from daemon.forges.github.payloads_checks import Annotation, CheckRun, CheckSuite, Job, Status, WorkflowRun
from daemon.forges.plain_text import plain_text
from domain.pull_request import Finding, FindingKind, FindingSource

CANCELLED, TIMED_OUT = "cancelled", "timed_out"
UNSTARTED = "startup_failure"
"""Of a suite, and of the run of a workflow whose file is no good: there are no jobs."""
_WAITS = "action_required"
_FAILED = frozenset({"failure", TIMED_OUT, UNSTARTED})
_RAN_OUT = "exceeded the maximum execution time"
"""What Actions says beside a job that it has ended for that, whose conclusion is `cancelled` (from memory)."""
_FAILED_STATES = frozenset({"failure", "error"})
ACTIONS = "github-actions"
ANNOTATIONS_LIMIT = 4 * 1024
"""Bytes of a finding's text, the rest of which is the log's."""
ANNOTATION_LIMIT = 500
_EXIT_CODE = re.compile(r"Process completed with exit code \d+\.$")


def is_told(run: CheckRun) -> bool:
    """Only what is over counts: what has failed, and what waits for a person, who is asked. Somebody has wanted a
    cancelled check so.
    """
    return run.status == "completed" and (run.conclusion in _FAILED or waits(run))


def is_failure(run: CheckRun) -> bool:
    return run.status == "completed" and run.conclusion in _FAILED


def waits(run: CheckRun) -> bool:
    """Whether it goes on only once a person has done something at the forge: no work for an agent."""
    return run.conclusion == _WAITS


def may_have_failed(run: WorkflowRun) -> bool:
    """Whether one of its jobs may ask for something."""
    return run.status == "completed" and run.conclusion in {*_FAILED, CANCELLED, _WAITS}


def is_unstarted(of: CheckSuite | WorkflowRun) -> bool:
    return of.conclusion == UNSTARTED


def with_time_out(run: CheckRun, annotations: Iterable[Annotation]) -> CheckRun:
    """As one that has failed, if what stands beside it says that it took too long."""
    ran_out = any(_RAN_OUT in (each.message or "") for each in annotations)
    return run.model_copy(update={"conclusion": TIMED_OUT}) if ran_out else run


def without_log(why: str) -> str:
    """What is said in place of a log."""
    return f"Its log can't be read now: the host that holds it {why}. Run the check yourself to see what is wrong."


def unstarted_finding(run: WorkflowRun) -> Finding:
    """A workflow that could not begin."""
    return Finding(
        id=FindingSource.CHECK.id_of(f"suite-{run.check_suite_id or run.id}"),
        kind=FindingKind.CHECK,
        title=title_of(f"{run.name or run.path or 'workflow'}: {UNSTARTED}"),
        text=tail(f"The workflow {run.path} could not be started: its file says something that Actions doesn't take."),
        url=link(run.html_url),
    )


def is_job(run: CheckRun) -> bool:
    """Whether it is a job of GitHub Actions, which has steps and a log."""
    return run.app is not None and run.app.slug == ACTIONS


def failed_step(job: Job) -> str:
    return next((step.name for step in job.steps if step.conclusion in _FAILED), "")


def output_text(run: CheckRun) -> str:
    """What a check says of itself."""
    parts = (run.output.title, run.output.summary, run.output.text)
    return tail("\n\n".join(part.strip() for part in parts if part and part.strip()))


def with_annotations(text: str, annotations: Iterable[Annotation]) -> str:
    """A check's log or own words, and below them what it says of lines; a text is quoted by its end, and so keeps them.
    That a job has ended with a code Actions writes beside every job that fails.
    """
    told = [_annotated(each) for each in annotations if each.message and not _EXIT_CODE.match(each.message)]
    lines, room = list[str](), ANNOTATIONS_LIMIT
    for line in told:
        room -= len(line.encode()) + 1
        if room < 0:
            lines.append(f"… and {len(told) - len(lines)} more")
            break
        lines.append(line)
    return tail("\n\n".join(filter(None, (text, "\n".join(["Annotations:", *lines]) if lines else ""))))


def _annotated(each: Annotation) -> str:
    place = f"{each.path}:{each.start_line}" if each.start_line else each.path
    said = ": ".join(filter(None, (each.title, each.message)))
    return " ".join(plain_text(f"{place}: {each.annotation_level or 'notice'}: {said}").split())[:ANNOTATION_LIMIT]


def check_finding(run: CheckRun, step: str, text: str) -> Finding:
    title = f"{run.name}: {step}" if step else f"{run.name}: {run.conclusion}"
    url = link(run.html_url or run.details_url)
    return Finding(
        # Once a person has seen to it, the same run may fail.
        id=FindingSource.CHECK.id_of(f"waits-{run.id}" if waits(run) else run.id),
        kind=FindingKind.CHECK,
        title=title_of(title),
        text=text,
        url=url,
        for_person=waits(run),
    )


def status_findings(statuses: Iterable[Status]) -> list[Finding]:
    return [
        status_finding(each.id, each.context, each.state, each.description, each.target_url)
        for each in statuses
        if each.state in _FAILED_STATES
    ]


def why_unheard(run: CheckRun, suites: Mapping[int, bool]) -> NotHeard | None:
    """Why a job of Actions is not ours to hear; `suites`: those of its commit → whether they ran for this repository. A
    fork's owner names its jobs, and writes what they print.
    """
    assert run.check_suite is not None
    return {True: None, False: NotHeard.FORK, None: NotHeard.UNSAID}[suites.get(run.check_suite.id)]
