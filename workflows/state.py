"""What a run of DirectiveWorkflow is given and what it returns."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import ConfigDict

    from domain.directive_secret import NO_SECRET, DirectiveSecret
    from domain.models import State
    from domain.pull_request import PullRequest
    from domain.statuses import DirectiveStatus
    from domain.value import Value


class DirectiveInput(Value):
    """A new directive, or one that goes on in another run."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    state: State
    begin: bool = True
    """Begin a draft at once (rule 2.1: `start` creates and begins in one go)."""
    sequence: int = 0
    """The last write of the run before this one, 0 where there was none, or nobody knows (design 3)."""
    searchable: bool = True
    """The search attributes are registered in the namespace (design 15)."""
    may_know_less: bool = False
    """The record may know ends of attempts that this run doesn't: it goes on from the record, or after a reset one."""
    secret: DirectiveSecret = NO_SECRET
    """Empty where the record has it, or the directive has none (State.authenticated)."""


class DirectiveResult(Value):
    status: DirectiveStatus
    generation: int
    pull_request: PullRequest | None = None
