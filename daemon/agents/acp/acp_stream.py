"""One run of an agent over the Agent Client Protocol: what it tells becomes events, and what it is told is one, too.

The order is always: initialize → session/new, /resume or /load → mode and other settings → model → prompt. Pure but for
what it remembers; who reads it keeps the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from daemon.agents.acp import frames
from daemon.agents.acp.ends import Ends
from daemon.agents.acp.frames import (
    Failed,
    Frame,
    Initialized,
    Leave,
    Notification,
    OpenedSession,
    Stopped,
    Update,
    read_as,
)
from daemon.agents.acp.permission_policy import PermissionPolicy
from daemon.agents.acp.profile import Access
from daemon.agents.acp.token_count import AcpCount
from daemon.agents.acp.turn import PromptTurn
from daemon.agents.stream_events import (
    Denied,
    Ending,
    Event,
    Final,
    MustEnd,
    PermissionReply,
    PermissionRequest,
    Printed,
    Sent,
    SessionStarted,
    WakeAfter,
)

_FIRST = 1
_REPLAY_SECONDS = 2.0
"""Without a word after a session was loaded: some agents say that it is, and go on replaying it."""
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_TOO_LONG = re.compile(r"\[a line of \d+ characters\]")


@dataclass(frozen=True)
class Asked:
    """What the agent is asked to do, and how its session is to be."""

    prompt: str
    worktree: str
    session: str = ""
    """Empty: a new one."""
    access: Access = field(default_factory=Access)
    model: str = ""
    """Empty: the agent's own choice."""
    answer_seconds: float = 120
    silence_seconds: float = 600
    tool_servers: tuple[dict[str, Any], ...] = ()
    """Of the Model Context Protocol, which it starts itself."""


class AcpStream:
    """From the first frame to the end of one turn."""

    by_lines = True

    def __init__(self, asked: Asked, policy: PermissionPolicy, count: AcpCount, ends: Ends) -> None:
        self.first_wake = asked.answer_seconds
        self._asked = asked
        self._policy = policy
        self._ends = ends
        self._turn = PromptTurn(count)
        self._session = ""
        self._last_id = _FIRST
        self._waits_for = "initialize"
        """The method of the latest request that has no answer yet."""
        self._answered: dict[int, Callable[[Frame], list[Event]]] = {_FIRST: self._initialized}
        self._left: Iterator[tuple[str, dict[str, Any]]] = iter(())
        """Requests between the session and the prompt."""
        self._open: OpenedSession = OpenedSession()
        self._leaves: dict[str, tuple[frames.RequestId, Leave]] = {}
        self._is_replaying = self._is_prompted = self._is_over = self._is_cancelled = False
        self._lost_line = ""

    def prompt(self, text: str) -> str:
        """The first frame; the prompt itself follows once there is a session."""
        return frames.initialize(_FIRST)

    def read(self, line: str) -> list[Event]:
        frame = frames.read_frame(line)
        if frame is None:
            if _TOO_LONG.fullmatch(line.strip()):
                self._lost_line = line.strip()
            # No sign of life: whatever it is, it is not the protocol.
            return [Printed(line)]
        events = self._events(frame)
        return events if self._is_over else [*events, WakeAfter(self._wake_after())]

    def reply(self, asked: PermissionRequest, reply: PermissionReply) -> str:
        number, leave = self._leaves.pop(asked.request)
        if reply.interrupt:
            return self._chosen(number, "") + self.cancel()
        kinds = ("allow_once", "allow_always") if reply.allowed else ("reject_once", "reject_always")
        return self._chosen(number, leave.chosen(*kinds))

    def wake(self) -> list[Event]:
        """It has been silent for too long, or has told all of an earlier session."""
        if self._is_over:
            return []
        if self._is_replaying:
            self._is_replaying = False
            return [*self._next(), WakeAfter(self._wake_after())]
        if not self._is_prompted:
            seconds = f"{self._asked.answer_seconds:g} s"
            return self._unusable(
                f"{self._lost_line or 'nothing'} came in answer to {self._waits_for} within {seconds}"
            )
        if self._lost_line:
            return self._unusable(f"{self._lost_line} came, and nothing after it")
        silence = f"its model has not answered for {self._asked.silence_seconds:g} s, and it doesn't say why"
        return [*self._turn.said(), *self._ended(Final(*self._ends.of_silence(silence))), MustEnd()]

    def cancel(self) -> str:
        if not self._is_prompted or self._is_over or self._is_cancelled:
            return ""
        self._is_cancelled = True
        return frames.notification("session/cancel", {"sessionId": self._session})

    def _wake_after(self) -> float:
        """Seconds until `wake`; 0: nothing is waited for that could hide a limit."""
        if self._is_replaying:
            return _REPLAY_SECONDS
        if not self._is_prompted:
            return self._asked.answer_seconds
        return 0 if self._leaves or self._turn.tools.at_work else self._asked.silence_seconds

    def _events(self, frame: Frame) -> list[Event]:
        if frame.is_answer:
            handle = self._answered.pop(frame.id, None) if isinstance(frame.id, int) else None
            return handle(frame) if handle else []
        if frame.method == "session/update":
            return self._updated(frame)
        if frame.id is None:
            return []
        if frame.method == "session/request_permission" and (leave := read_as(Leave, frame.params)):
            return self._asked_for_leave(frame.id, leave)
        return [Sent(frames.refusal(frame.id, frame.method))]

    def _request(self, method: str, params: dict[str, Any], then: Callable[[Frame], list[Event]]) -> list[Event]:
        self._last_id += 1
        self._waits_for = method
        self._answered[self._last_id] = then
        return [Sent(frames.request(self._last_id, method, params))]

    def _initialized(self, frame: Frame) -> list[Event]:
        if frame.error is not None:
            return self._refused("initialize", frame)
        read = read_as(Initialized, frame.result)
        if read is None or read.protocolVersion is None:
            return self._unusable("its answer to initialize is not one of the Agent Client Protocol")
        if read.protocolVersion != frames.VERSION:
            version = f"version {read.protocolVersion} of the Agent Client Protocol"
            return self._unusable(f"it speaks {version}, and Makima version {frames.VERSION}")
        place: dict[str, Any] = {"cwd": self._asked.worktree, "mcpServers": [*self._asked.tool_servers]}
        if not self._asked.session:
            return self._request("session/new", place, self._opened)
        can = read.agentCapabilities or frames.Capabilities()
        if not (can.resumes or can.loadSession):
            return self._lost("it can't go on with a session")
        self._session = self._asked.session
        method = "session/resume" if can.resumes else "session/load"
        return self._request(method, {"sessionId": self._session, **place}, self._went_on)

    def _opened(self, frame: Frame) -> list[Event]:
        read = read_as(OpenedSession, frame.result)
        if frame.error is not None or read is None or not _SESSION.fullmatch(read.sessionId or ""):
            return self._refused("session/new", frame)
        self._session, self._open = read.sessionId or "", read
        return [SessionStarted(self._session), *self._configured()]

    def _went_on(self, frame: Frame) -> list[Event]:
        """A session that is not there may be told as an error, or as another session."""
        if frame.error is not None:
            failed = self._failure(frame)
            ending = self._ends.of_error(failed)[0]
            return self._refused(self._waits_for, frame) if ending is Ending.AUTH else self._lost(failed.words)
        self._open = read_as(OpenedSession, frame.result) or OpenedSession()
        if self._open.sessionId not in (None, "", self._session):
            return self._lost(f"it has opened session {self._open.sessionId} in place of {self._session}")
        started: list[Event] = [SessionStarted(self._session)]
        if self._waits_for == "session/load":
            self._is_replaying = True
            self._left = self._settings()
            return started
        return [*started, *self._configured()]

    def _configured(self) -> list[Event]:
        self._left = self._settings()
        return self._next()

    def _settings(self) -> Iterator[tuple[str, dict[str, Any]]]:
        access, mode, model = self._asked.access, self._open.option("mode"), self._open.option("model")
        if access.mode and mode and not self._open.modes:
            yield "session/set_config_option", {"configId": mode, "value": access.mode}
        elif access.mode:
            yield "session/set_mode", {"modeId": access.mode}
        for name, value in access.options.items():
            yield "session/set_config_option", {"configId": name, "value": value}
        if self._asked.model and model:
            yield "session/set_config_option", {"configId": model, "value": self._asked.model}
        elif self._asked.model:
            yield "session/set_model", {"modelId": self._asked.model}

    def _next(self) -> list[Event]:
        """The next request before the prompt, or the prompt."""
        for method, params in self._left:
            return self._request(method, {"sessionId": self._session, **params}, self._configured_one)
        self._is_prompted = True
        prompt = [{"type": "text", "text": self._asked.prompt}]
        return self._request("session/prompt", {"sessionId": self._session, "prompt": prompt}, self._stopped)

    def _configured_one(self, frame: Frame) -> list[Event]:
        return self._refused(self._waits_for, frame) if frame.error is not None else self._next()

    def _stopped(self, frame: Frame) -> list[Event]:
        events = self._turn.said()
        if frame.error is not None:
            return [*events, *self._ended(Final(*self._ends.of_error(self._failure(frame))))]
        read = read_as(Stopped, frame.result)
        if read is None:
            return [*events, *self._unusable("its answer to session/prompt is not one of the Agent Client Protocol")]
        turn = self._turn
        end = self._ends.of_turn(read.stopReason, turn.message, turn.pieces, has_worked=turn.tools.called > 0)
        final = Final(*end)
        return [*events, *self._turn.count.stopped(read), *self._ended(final)]

    def _updated(self, frame: Frame) -> list[Event]:
        told = read_as(Notification, frame.params)
        if told is None:
            return []
        if told.sessionId != self._session:
            is_other = self._is_replaying and told.sessionId
            return self._lost(f"it tells of session {told.sessionId} in place of {self._session}") if is_other else []
        # What a session tells before it is asked anything has been told before, or is none of the turn's.
        if self._is_prompted and not self._is_over:
            return self._turn.updated(told.update)
        return self._turn.used(told.update) if self._is_over else []

    def _asked_for_leave(self, number: frames.RequestId, leave: Leave) -> list[Event]:
        update = read_as(Update, {**leave.toolCall, "sessionUpdate": "tool_call_update", "status": None})
        if update is None or self._is_over:
            return [Sent(self._chosen(number, ""))]
        events = [*self._turn.said(), *self._turn.tools.learn(update)]
        call = self._turn.tools.of(update)
        decision = self._policy.decision(call)
        if decision is None:
            self._leaves[str(number)] = (number, leave)
            arguments = call.arguments if isinstance(call.arguments, dict) else {}
            return [*events, PermissionRequest(str(number), call.tool, call.about, arguments)]
        if decision:
            return [*events, Sent(self._chosen(number, leave.chosen("allow_once", "allow_always")))]
        refused: list[Event] = [Denied(call.tool, call.about)]
        return [*events, *refused, Sent(self._chosen(number, leave.chosen("reject_once", "reject_always")))]

    def _chosen(self, number: frames.RequestId, choice: str) -> str:
        chosen = {"outcome": "selected", "optionId": choice} if choice else {"outcome": "cancelled"}
        return frames.answer(number, {"outcome": chosen})

    def _failure(self, frame: Frame) -> Failed:
        return read_as(Failed, frame.error) or Failed(message=str(frame.error))

    def _refused(self, method: str, frame: Frame) -> list[Event]:
        """What was asked for before the prompt is not to be had."""
        if frame.error is None:
            return self._unusable(f"its answer to {method} is not one of the Agent Client Protocol")
        failed = self._failure(frame)
        ending, words = self._ends.of_error(failed)
        if ending in (Ending.AUTH, Ending.LIMIT, Ending.CAPACITY, Ending.NETWORK):
            return [*self._ended(Final(ending, words)), MustEnd()]
        return self._unusable(f"it refuses {method}: {failed.words}")

    def _lost(self, why: str) -> list[Event]:
        return [*self._ended(Final(Ending.UNKNOWN_SESSION, why)), MustEnd()]

    def _unusable(self, why: str) -> list[Event]:
        return [*self._ended(Final(Ending.UNUSABLE, why)), MustEnd()]

    def _ended(self, final: Final) -> list[Event]:
        if self._is_over:
            return []  # what it says while it is being ended, such as `cancelled`, is not why it is
        self._is_over = True
        return [WakeAfter(0), final]
