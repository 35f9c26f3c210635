"""What in GitHub's answers asks for work (SPEC 7.5); pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from daemon.forges.github_models import CheckRun, Comment, Job, Pull, Review, Status, User, WorkflowRun
from domain.pull_requests.messages import Finding, FindingKind, FindingSource

TEXT_LIMIT = 16 * 1024
"""Bytes of a log or comment."""
LOG_WINDOW = 512 * 1024
"""Bytes at the end of a job's log in which its error is looked for: the job tidies up after the step that failed."""
TITLE_LIMIT = 300
MARK = "<!-- makima:"
"""Whatever we post holds it; a reader doesn't see it."""

_FAILED = frozenset({"failure", "timed_out", "startup_failure"})
_FAILED_STATES = frozenset({"failure", "error"})
ACTIONS = "github-actions"
_TIME = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT[\d:.]+Z ", re.MULTILINE)
_ERROR = "##[error]"


def reply_mark(comment: str) -> str:
    """What a reply to the finding `comment` holds, so that it is posted once."""
    return f"{MARK}reply:{comment} -->"


def has_failed(run: CheckRun | WorkflowRun) -> bool:
    """Only what is over counts; a cancelled check, or one that waits for a person, is no work for us."""
    return run.status == "completed" and run.conclusion in _FAILED


def is_job(run: CheckRun) -> bool:
    """Whether it is a job of GitHub Actions, which has steps and a log."""
    return run.app is not None and run.app.slug == ACTIONS


def failed_step(job: Job) -> str:
    return next((step.name for step in job.steps if step.conclusion in _FAILED), "")


def job_text(log: bytes) -> str:
    """The part of a job's log that ends with its last error, without the times."""
    text = _TIME.sub("", log.decode(errors="replace"))
    at = text.rfind(_ERROR)
    end = text.find("\n", at) if at >= 0 else -1
    return tail(text if end < 0 else text[:end])


def output_text(run: CheckRun) -> str:
    """What a check says of itself."""
    parts = (run.output.title, run.output.summary, run.output.text)
    return tail("\n\n".join(part.strip() for part in parts if part and part.strip()))


def check_finding(run: CheckRun, step: str, text: str) -> Finding:
    title = f"{run.name}: {step}" if step else f"{run.name}: {run.conclusion}"
    url = run.html_url or run.details_url or ""
    return Finding(
        id=FindingSource.CHECK.id_of(run.id), kind=FindingKind.CHECK, title=_title(title), text=text, url=url
    )


def status_findings(statuses: Iterable[Status]) -> list[Finding]:
    return [
        Finding(
            id=FindingSource.STATUS.id_of(status.id),
            kind=FindingKind.CHECK,
            title=_title(f"{status.context}: {status.state}"),
            text=tail(status.description or ""),
            url=status.target_url or "",
        )
        for status in statuses
        if status.state in _FAILED_STATES
    ]


def review_findings(reviews: Iterable[Review], me: str) -> list[Finding]:
    """Change requests and remarks; an approval asks for nothing."""
    said = {"CHANGES_REQUESTED": "asks for changes", "COMMENTED": "has reviewed"}
    return [
        _comment(
            FindingSource.REVIEW.id_of(each.id),
            f"{_name(each.user)} {said[each.state]}",
            each.body or "",
            each.html_url,
        )
        for each in reviews
        if each.state in said and _is_a_persons(each, me)
    ]


def remark_findings(comments: Iterable[Comment], me: str) -> list[Finding]:
    """What people have written at lines of the change."""
    return [
        _comment(
            FindingSource.COMMENT.id_of(each.id),
            f"{_name(each.user)} on {_place(each)}",
            each.body or "",
            each.html_url,
        )
        for each in comments
        if _is_a_persons(each, me)
    ]


def talk_findings(comments: Iterable[Comment], me: str) -> list[Finding]:
    """What people have written below the pull request."""
    return [
        _comment(FindingSource.TALK.id_of(each.id), f"{_name(each.user)} has commented", each.body or "", each.html_url)
        for each in comments
        if _is_a_persons(each, me)
    ]


def conflict_finding(pull: Pull, base_head: str) -> Finding:
    base, branch = pull.base.ref, pull.head.ref
    return Finding(
        id=FindingSource.CONFLICT.id_of(pull.head.sha, base_head),
        kind=FindingKind.CONFLICT,
        title=_title(f"conflict with {base}"),
        text=tail(f"{branch} at {pull.head.sha} can't be merged into {base} at {base_head or 'its newest commit'}."),
        url=pull.html_url,
    )


def is_approved(reviews: Iterable[Review]) -> bool:
    """Whether somebody's last word is yes and nobody's is no; remarks are no word."""
    last = {_name(each.user): each.state for each in reviews if each.state not in ("COMMENTED", "PENDING")}
    return "APPROVED" in last.values() and "CHANGES_REQUESTED" not in last.values()


def tail(text: str) -> str:
    """The end of `text` that is at most 16 KiB, from the beginning of a line where there is one."""
    data = text.strip().encode(errors="replace")
    if len(data) <= TEXT_LIMIT:
        return data.decode()
    kept = data[-TEXT_LIMIT:].decode(errors="ignore")
    return kept.partition("\n")[2] or kept


def _is_a_persons(said: Review | Comment, me: str) -> bool:
    if not (said.body and said.body.strip()) or MARK in said.body:
        return False
    return said.user is None or not (said.user.is_bot or said.user.login == me)


def _comment(key: str, title: str, body: str, url: str) -> Finding:
    text = body.strip().encode(errors="replace")[:TEXT_LIMIT].decode(errors="ignore")
    return Finding(id=key, kind=FindingKind.COMMENT, title=_title(title), text=text, url=url)


def _place(comment: Comment) -> str:
    line = comment.line or comment.original_line
    return f"{comment.path}:{line}" if line else comment.path


def _name(user: User | None) -> str:
    return user.login if user else "somebody"


def _title(text: str) -> str:
    return " ".join(text.split())[:TITLE_LIMIT]
