"""What of GitLab's jobs and pipelines asks for work (rule 7.5); pure."""

from __future__ import annotations

import re

from daemon.forges.findings import link, tail, title_of
from daemon.forges.gitlab.payloads_checks import Bridge, Job, Pipeline
from daemon.forges.plain_text import plain_text
from domain.pull_request import Finding, FindingKind, FindingSource

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z \d\d[OE][ +]?", re.MULTILINE)
"""Before each line of what newer runners write (from memory)."""
_SECTION = re.compile(r"^section_(?:start|end):\d+:[^\r\n]*\r?", re.MULTILINE)


def failed(job: Job, text: str) -> Finding:
    return Finding(
        id=FindingSource.CHECK.id_of(job.id),
        kind=FindingKind.CHECK,
        title=title_of(f"{job.name}: {_reason(job)}"),
        text=text,
        url=link(job.web_url),
    )


def waiting(job: Job) -> Finding:
    """Somebody has to start it: no work for an agent."""
    return Finding(
        # Once a person has started it, it may fail.
        id=FindingSource.CHECK.id_of(f"waits-{job.id}"),
        kind=FindingKind.CHECK,
        title=title_of(f"{job.name}: manual"),
        url=link(job.web_url),
        for_person=True,
    )


def bridge(of: Bridge) -> Finding:
    """A job that has started a pipeline which we can't look into."""
    below = of.downstream_pipeline
    url = link(below.web_url if below else None) or link(of.web_url)
    found = failed(of, "The pipeline that this job starts has failed." if below else "")
    return found.model_copy(update={"url": url})


def unstarted(pipeline: Pipeline) -> Finding:
    """A pipeline that could not be made: there are no jobs."""
    return Finding(
        id=FindingSource.CHECK.id_of(f"pipeline-{pipeline.id}"),
        kind=FindingKind.CHECK,
        title=title_of("pipeline: its configuration is not valid"),
        text=tail(pipeline.yaml_errors or ""),
        url=link(pipeline.web_url),
    )


def without_log(why: str) -> str:
    """What is said in place of a log."""
    return f"Its log can't be read now: the host that holds it {why}. Run the job yourself to see what is wrong."


def job_text(log: bytes) -> str:
    """The end of a job's log, without times and the marks of its sections."""
    text = _SECTION.sub("", log.decode(errors="replace"))
    return tail(_TIME.sub("", plain_text(text)))


def _reason(job: Job) -> str:
    reason = job.failure_reason or ""
    return "failed" if reason in ("", "script_failure", "unknown_failure") else reason.replace("_", " ")
