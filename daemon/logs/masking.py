"""Secrets in what an agent prints, made unreadable before it is written down or leaves the machine (rule 6.11); pure.

A secret can come in two pieces, so a stream gives back whole lines only, and of a line without end the part that no
secret can reach into any more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, urlsplit

from daemon.logs.masked_shapes import MARKS, PATTERNS
from daemon.logs.places import SafePaths
from domain.models import PlanChanges, Question, Step
from domain.pull_request import Finding, Sighting
from domain.spawn_task import MemoryChange, Outcome

MASK = "***"
SHORTEST = 8
"""Characters: a shorter value would be found in words that are no secret."""
LONGEST_HELD = 32 * 1024
"""Characters of a line without end that a stream holds back."""
OVERLAP = 8 * 1024
"""Characters of it that stay back, for a secret that has only begun."""
CONTEXT = 16
"""Characters before a secret by which it is known as one: they stay with it."""
LONGEST_KEY_LINE = 200

_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_INSIDE = re.compile(r"[\W\d]*(?:[A-Za-z0-9+/=]*|(?:Proc-Type|DEK-Info|Version|Comment):.*)\W*")

_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|APIKEY|(_|^)KEY(_|$)", re.IGNORECASE)
_PLACE_NAME = re.compile(r"(PATH|DIR|HOME|FILE|SOCK|CREDENTIALS)$", re.IGNORECASE)


class Masker:
    """Knows this machine's own secrets and the shapes of common ones."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets` are values such as those of `secrets_of`; shorter than 8 characters they are left out."""
        self._forms: set[str] = set()
        self._places: SafePaths | None = None
        self.learn(*secrets)

    def hide_places(self, places: SafePaths) -> None:
        """Know from now on which paths `outward` leaves out."""
        self._places = places

    def outward(self, text: str) -> str:
        """`text` as others may read it who never see this machine: masked, and without its paths."""
        masked = self.mask(_encodable(text))
        return self._places.hide(masked) if self._places else masked

    def outward_question(self, text: str) -> str:
        """The same for a question; one of the daemon's own may name the command that helps, with its paths here."""
        masked = self.mask(_encodable(text))
        return self._places.hide_work(masked) if self._places else masked

    def learn(self, *secrets: str) -> None:
        """Know further ones from now on, also in texts that have begun."""
        self._forms |= {form for secret in secrets for form in _forms(secret)}
        # The longest first: of two that begin alike the shorter one would leave the rest readable.
        ordered = sorted(self._forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self.overlap = max(OVERLAP, len(ordered[0]) if ordered else 0)

    def mask(self, text: str) -> str:
        """`text` with every secret in it made unreadable."""
        stream = MaskedStream(self)
        return stream.take(text) + stream.rest()

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand in a line, or a part of one: from, to; in order, none touching another."""
        found = [match.span() for match in self._known.finditer(text)] if self._known else []
        for mark, pattern in PATTERNS:
            if mark in text:
                found += [match.span(pattern.groups) for match in pattern.finditer(text)]
        found += _private_keys(text)
        return _joined([span for span in found if span[0] < span[1]])

    def may_hold(self, text: str) -> bool:
        """Whether `text` has to be looked at line by line."""
        return any(mark in text for mark in MARKS) or bool(self._known and self._known.search(text))


class MaskedStream:
    """The same for a text that comes in pieces, cut anywhere."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""
        self._in_key = False
        self._dropping = False

    def take(self, text: str) -> str:
        """What can be said now, of this piece and the ones before."""
        whole, end, begun = (self._held + text).rpartition("\n")
        self._held = begun
        said = self._lines(whole + end) if end else ""
        if len(self._held) > max(LONGEST_HELD, 2 * self._masker.overlap):
            said += self._begun_line()
        return said

    def rest(self) -> str:
        """What is left, at the end of the text."""
        held, self._held = self._held, ""
        return self._lines(held)

    def _lines(self, text: str) -> str:
        if not (self._in_key or self._dropping or self._masker.may_hold(text)):
            return text
        return "".join(self._line(line) for line in text.splitlines(keepends=True))

    def _line(self, line: str) -> str:
        if self._dropping:
            self._dropping = not line.endswith("\n")
            return "" if self._dropping else "\n"
        if self._in_key and not (end := _KEY_ENDS.search(line)):
            self._in_key = len(line) <= LONGEST_KEY_LINE and bool(_KEY_INSIDE.fullmatch(line))
            return "" if self._in_key else self._line(line)
        if self._in_key and end:
            self._in_key = False
            return self._line(line[end.end() :])
        self._in_key = any(not _KEY_ENDS.search(line, begin.end()) for begin in _KEY_BEGINS.finditer(line))
        masked = _replaced(line, self._masker.spans(line))
        return masked if masked.endswith("\n") or not line.endswith("\n") else masked + "\n"

    def _begun_line(self) -> str:
        if self._dropping:
            self._held = ""
            return ""
        cut = len(self._held) - self._masker.overlap
        spans = self._masker.spans(self._held)
        cut = next((max(0, start - CONTEXT) for start, end in spans if start - CONTEXT < cut < end), cut)
        said, self._held = _replaced(self._held[:cut], self._masker.spans(self._held[:cut])), self._held[cut:]
        if not cut:
            # One secret from end to end: whatever else stands in this line belongs to it.
            self._held, self._dropping, said = "", True, MASK
        return said


def _encodable(text: str) -> str:
    """Bytes of a file's or ref's name that are no UTF-8 reach Python as surrogates, of which no JSON can be made."""
    return text.encode(errors="backslashreplace").decode()


def masked_outcome(outcome: Outcome, masker: Masker) -> Outcome:
    """What an outcome says in words, its agent's among them, without secrets and paths of this machine: what pull
    requests, other agents' prompts and the record are made of.
    """
    failure = outcome.failure and outcome.failure.model_copy(update={"report": masker.outward(outcome.failure.report)})
    work = outcome.work
    if work:  # both stand in pull requests
        told = {name: tuple(masker.outward(each) for each in getattr(work, name)) for name in ("verified", "left_out")}
        work = work.model_copy(update=told)
    said = {
        "summary": masker.outward(outcome.summary),
        "failure": failure,
        "warnings": tuple(masker.outward(warning) for warning in outcome.warnings),
        "unverified": tuple(masker.outward(line) for line in outcome.unverified),
        "memories": tuple(_masked_memory(change, masker) for change in outcome.memories),
        "questions": tuple(masked_question(question, masker) for question in outcome.questions),
        "pull_request_url": masker.mask(outcome.pull_request_url),
        "work": work,
        "plan": outcome.plan and _masked_plan(outcome.plan, masker),
    }
    return outcome.model_copy(update=said)


def masked_question(question: Question, masker: Masker) -> Question:
    """The same question, known by its id, without secrets."""
    said = {name: masker.outward_question(getattr(question, name)) for name in ("text", "context", "default")}
    choices = tuple(masker.outward_question(each) for each in question.choices)
    return question.model_copy(update={**said, "choices": choices})


def masked_sighting(sighting: Sighting, masker: Masker) -> Sighting:
    """What programs and people say of a pull request, without secrets: it becomes prompts, and is recorded."""

    def masked(finding: Finding) -> Finding:
        said = {name: masker.mask(getattr(finding, name)) for name in ("title", "text", "url")}
        place = finding.place and finding.place.model_copy(update={"quoted": masker.mask(finding.place.quoted)})
        return finding.model_copy(update={**said, "place": place})

    blocked = tuple(masker.mask(reason)[:200] for reason in sighting.blocked)
    findings = tuple(masked(finding) for finding in sighting.findings)
    return sighting.model_copy(update={"findings": findings, "blocked": blocked})


def _masked_memory(change: MemoryChange, masker: Masker) -> MemoryChange:
    key, memory = masker.outward(change.key), change.memory
    if memory:
        said = {"key": key, "value": masker.outward(memory.value), "category": masker.outward(memory.category)}
        memory = memory.model_copy(update=said)
    return change.model_copy(update={"key": key, "memory": memory})


def _masked_plan(plan: PlanChanges, masker: Masker) -> PlanChanges:
    def masked(step: Step) -> Step:
        said = {name: masker.outward(getattr(step, name)) for name in ("name", "description", "task_plan")}
        return step.model_copy(update=said)

    return plan.model_copy(update={"add": tuple(masked(step) for step in plan.add)})


def secrets_of(environ: Mapping[str, str], passed: Iterable[str], given: Mapping[str, str]) -> frozenset[str]:
    """The values of a machine's settings that nobody may read: of `environ` (the daemon's environment) and `given` (an
    agent's `env`) those whose names say so, and those that `passed` (an agent's `pass_env`) names, unless they are
    places; and the password of every address among them.
    """
    named = [(name, value) for source in (environ, given) for name, value in source.items() if _is_secret(name, value)]
    handed = [(name, environ[name]) for name in passed if name in environ and not _PLACE_NAME.search(name)]
    passwords = [_password(value) for source in (environ, given) for value in source.values() if "://" in value]
    return frozenset(value for value in (*(value for _, value in named + handed), *passwords) if len(value) >= SHORTEST)


def _is_secret(name: str, value: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not (_PLACE_NAME.search(name) and value.startswith("/"))


def _password(value: str) -> str:
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""


def _forms(secret: str) -> Iterator[str]:
    """As it is, line by line, and as it looks inside of JSON or an address."""
    for line in secret.splitlines():
        if len(line.strip()) >= SHORTEST:
            yield from (line.strip(), json.dumps(line.strip())[1:-1], quote(line.strip(), safe=""))


def _private_keys(text: str) -> Iterator[tuple[int, int]]:
    """Each from its beginning to its end in this line, or to the line's."""
    at = 0 if "PRIVATE KEY" in text else len(text)
    while begin := _KEY_BEGINS.search(text, at):
        end = _KEY_ENDS.search(text, begin.end())
        at = end.end() if end else len(text)
        yield begin.start(), at


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _replaced(text: str, spans: list[tuple[int, int]]) -> str:
    pieces, at = [], 0
    for start, end in spans:
        pieces += [text[at:start], MASK]
        at = end
    return "".join((*pieces, text[at:]))
