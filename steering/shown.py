"""What every shape of `--json` has (docs/json.md), and the questions, which are read by themselves.

`version` rises when a field goes or means something else; new fields may come at any time.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from domain.models import Question
from domain.value import Value


class Shown(Value):
    """One object on one line."""

    version: Literal[1] = 1


class AskedQuestion(Question):
    directive: UUID


class QuestionsShown(Shown):
    questions: tuple[AskedQuestion, ...]
