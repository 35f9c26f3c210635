"""Handlers of updates, signals and queries that are given what they expect, or nothing at all.

Whoever reaches the namespace may send any arguments: none, `null`, too many, others. The SDK checks the types of those
that are there alone, and an error in a signal's handler would hold up the directive for ever.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast, get_type_hints

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import to_json

    from domain.models import Answer
    from domain.problems import first_problem
    from domain.protocol import ErrorType, QueryName, SignalName
    from domain.requests import Request
from temporalio.exceptions import ApplicationError
from temporalio.workflow import UpdateMethodMultiParam

Asked = TypeVar("Asked", bound=Request)
Handler = TypeVar("Handler", bound=Callable[..., Any])


def update(name: str, request: type[Asked]) -> UpdateMethodMultiParam[[Any, Asked], Answer]:
    """An update of one request, which the class's `check` may refuse and its `grant` answers; other arguments are
    refused in one line. No refusal leaves a trace.
    """

    def handler(self: Any, request: Any) -> Any:
        return self.grant(request)

    handler.__name__ = handler.__qualname__ = name
    handler.__annotations__ = {"request": request, "return": Answer}
    read = _reader(handler)

    def handle(self: Any, *given: Any) -> Any:
        return handler(self, *read(given))

    def validate(self: Any, *given: Any) -> None:
        self.check(*read(given))

    made: Any = workflow.update(_named(handle, handler))
    validator: Any = _named(validate, handler)
    made.validator(validator)
    # Only now: what the SDK sees in a signature it decodes by itself.
    made.__signature__ = validator.__signature__ = inspect.signature(handler, eval_str=True)
    registered: UpdateMethodMultiParam[[Any, Asked], Answer] = made
    return registered


def signal(name: SignalName) -> Callable[[Handler], Handler]:
    """A signal of one argument; one with others is left out, with a log line."""

    def register(handler: Handler) -> Handler:
        read = _reader(handler)

        def handle(self: Any, *given: Any) -> None:
            try:
                arguments = read(given)
            except ApplicationError as error:
                workflow.logger.warning("signal %s ignored: %s", name, error.message)
                return
            try:
                handler(self, *arguments)
            except Exception:  # noqa: BLE001 - it stays in the history, and would be met at every replay
                workflow.logger.exception("signal %s ignored: a defect of ours", name)

        registered: Any = workflow.signal(name=name)(_named(handle, handler))
        return cast(Handler, registered)

    return register


def query(name: QueryName | None = None) -> Callable[[Handler], Handler]:
    """A query of one argument or none; other ones are refused in one line. `name`: the handler's, if not given."""

    def register(handler: Handler) -> Handler:
        read = _reader(handler)

        def handle(self: Any, *given: Any) -> Any:
            return handler(self, *read(given))

        registered: Any = workflow.query(name=name or handler.__name__)(_named(handle, handler))
        return cast(Handler, registered)

    return register


def _reader(handler: Callable[..., Any]) -> Callable[[tuple[Any, ...]], list[Any]]:
    """From what was sent to what the handler's annotations name."""
    hints = {name: hint for name, hint in get_type_hints(handler).items() if name != "return"}
    adapters = [TypeAdapter(hint) for hint in hints.values()]

    def read(given: tuple[Any, ...]) -> list[Any]:
        if len(given) != len(adapters):
            raise _refused(f"{handler.__name__} takes {len(adapters) or 'no'} argument, not {len(given)}")
        try:
            return [adapter.validate_json(to_json(each)) for adapter, each in zip(adapters, given, strict=True)]
        except (ValidationError, ValueError) as error:
            raise _refused(f"{handler.__name__}: {_problem(error)}") from error

    return read


def _refused(reason: str) -> ApplicationError:
    return ApplicationError(reason, type=ErrorType.REFUSED, non_retryable=True)


def _problem(error: Exception) -> str:
    return first_problem(error) if isinstance(error, ValidationError) else " ".join(str(error).split())


def _named(handle: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    """Under the handler's name, with what it returns; what it takes is not the SDK's to check."""
    handle.__name__, handle.__qualname__ = handler.__name__, handler.__qualname__
    handle.__doc__, handle.__module__ = handler.__doc__, handler.__module__
    handle.__annotations__ = {"return": get_type_hints(handler).get("return")}
    return handle
