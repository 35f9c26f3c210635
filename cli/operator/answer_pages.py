"""The pages behind the links of notices: plain HTML, in which everything that others have written is text."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

from domain.models import Proposal, Question
from domain.visible import visible

MOST_STEPS = 200
LONGEST_ANSWER = 16 * 1024
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#8881;padding:.7rem}"
    "textarea{width:100%;min-height:7rem;font:inherit}"
    "button{font:inherit;padding:.5rem 1rem;margin:.3rem .5rem .3rem 0}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}
"""Of every answer: nothing is loaded, kept, framed or sent on."""


def question_page(title: str, question: Question) -> str:
    """A question and the ways to answer it."""
    if question.choices:
        # By number: a browser sends no line end and no control character as it was.
        ways = "".join(
            f'<button name="choice" value="{place}">{_text(each)}</button>'
            for place, each in enumerate(question.choices)
        )
    else:
        ways = f'<textarea name="answer" maxlength="{LONGEST_ANSWER}" required></textarea><button>Answer</button>'
    until = f"{question.deadline:%Y-%m-%d %H:%M} UTC" if question.deadline else ""
    default = f"<p>Without an answer until {until} it is: {_text(question.default)}</p>" if until else ""
    context = f"<pre>{_text(question.context)}</pre>" if question.context else ""
    form = f'<form method="post">{ways}</form>'
    return _page(title, "An agent asks", f"<pre>{_text(question.text)}</pre>{context}{default}{form}")


def plan_page(title: str, plan: Proposal) -> str:
    """A plan, and what to do with it."""
    steps = "".join(_step(step.name, step.description) for step in plan.add[:MOST_STEPS])
    more = len(plan.add) - MOST_STEPS
    rest = f"<p>and {more} more: look at the whole plan with <code>starter.py plan</code></p>" if more > 0 else ""
    removed = f"<p>{len(plan.remove)} steps are taken out.</p>" if plan.remove else ""
    form = (
        '<form method="post"><button name="decide" value="approve">Approve</button></form>'
        '<form method="post"><textarea name="comment" required maxlength="16384" '
        'placeholder="What should be otherwise?"></textarea>'
        '<button name="decide" value="reject">Send it back</button></form>'
    )
    return _page(title, f"A plan of {len(plan.add)} new steps", f"<ol>{steps}</ol>{rest}{removed}{form}")


def told_page(title: str, heading: str, lines: Iterable[str] = ()) -> str:
    """What became of it."""
    return _page(title, heading, "".join(f"<pre>{_text(line)}</pre>" for line in lines))


def _step(name: str, description: str) -> str:
    return f"<li><b>{_text(name)}</b> {_text(description[:300])}</li>"


def _page(title: str, heading: str, body: str) -> str:
    name = f"<p>{_text(title)}</p>" if title else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Makima</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{name}<h1>{escape(heading)}</h1>{body}</body></html>"
    )


def _text(text: str) -> str:
    return escape(visible(text))
