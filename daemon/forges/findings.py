"""How what a forge tells becomes a finding, whichever forge it is (rule 7.5); pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from daemon.forges.audience import NotHeard
from daemon.forges.plain_text import plain_text
from daemon.forges.pulls import Pull
from domain.pull_request import Finding, FindingKind, FindingSource, Unheard

TEXT_LIMIT = 16 * 1024
"""Bytes of a log or comment."""
LOG_WINDOW = 512 * 1024
"""Bytes at the end of a job's log in which its error is looked for: the job tidies up after the step that failed."""
TITLE_LIMIT = 300
URL_LIMIT = 4096
MARK = "<!-- makima:"
"""Whatever we post holds it; a reader doesn't see it."""
_TIME = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT[\d:.]+Z ", re.MULTILINE)
_ERROR = "##[error]"


def reply_mark(comment: str) -> str:
    """What a reply to the finding `comment` holds, so that it is posted once."""
    return f"{MARK}reply:{comment} -->"


def are_answered(said: Iterable[str], answers: Iterable[str]) -> bool:
    """Whether each finding of `said` has one among these texts of ours."""
    given = "\n".join(answers)
    return all(reply_mark(each) in given for each in said)


def status_finding(number: int, context: str, word: str, description: str | None, url: str | None) -> Finding:
    """Of a commit's status that has failed; `word`: what the forge calls that."""
    return Finding(
        id=FindingSource.STATUS.id_of(number),
        kind=FindingKind.CHECK,
        title=title_of(f"{context}: {word}"),
        text=tail(description or ""),
        url=link(url),
    )


def log_text(log: bytes) -> str:
    """The part of a job's log that ends with its last error, without the times."""
    text = _TIME.sub("", plain_text(log.decode(errors="replace")))
    at = text.rfind(_ERROR)
    end = text.find("\n", at) if at >= 0 else -1
    return tail(text if end < 0 else text[:end])


def unheard_check(run: int, reason: NotHeard) -> Unheard:
    of = "that" if reason is NotHeard.FORK else "of which"
    return Unheard(id=FindingSource.CHECK.id_of(run), author="", reason=f"a check {of} {reason.value}")


def job_finding(number: int, name: str, what: str, text: str, url: str) -> Finding:
    """Of a job that has failed; `what`: the step, or how it ended."""
    return Finding(
        id=FindingSource.CHECK.id_of(number),
        kind=FindingKind.CHECK,
        title=title_of(f"{name}: {what}"),
        text=text,
        url=link(url),
    )


def conflict_finding(pull: Pull, base_head: str) -> Finding:
    base, branch = pull.base.ref, pull.head.ref
    return Finding(
        id=FindingSource.CONFLICT.id_of(pull.head.sha, base_head),
        kind=FindingKind.CONFLICT,
        title=title_of(f"conflict with {base}"),
        text=tail(f"{branch} at {pull.head.sha} can't be merged into {base} at {base_head or 'its newest commit'}."),
        url=pull.html_url,
    )


def tail(text: str) -> str:
    """The end of `text` as plain text that is at most 16 KiB, from the beginning of a line where there is one."""
    data = plain_text(text).strip().encode(errors="replace")
    if len(data) <= TEXT_LIMIT:
        return data.decode()
    kept = data[-TEXT_LIMIT:].decode(errors="ignore")
    return kept.partition("\n")[2] or kept


def link(url: str | None) -> str:
    """Where more is to be read; none where it is longer than anybody's address: its app has written it."""
    return url if url and len(url) <= URL_LIMIT else ""


def title_of(text: str) -> str:
    """As one line of at most 300 characters."""
    return " ".join(plain_text(text).split())[:TITLE_LIMIT]
