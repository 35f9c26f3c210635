"""Every error that crosses a module's border.

MakimaError
├── Refused                 an operator or a plan asked for something the rules don't allow
│   ├── DocumentBroken      JSON, YAML or TOML that is none, or beyond all bounds
│   └── PlanRefused         a plan, or one step of it
│       └── NoPlanFound     a document that holds no plan at all
├── CannotServe             this daemon can't do this task; another one may
│   └── AgentUnavailable    another agent may do it here
├── RepositoryError         the repository, base branch or push right is missing: the directive's own trouble
│   ├── BaseBranchMissing   the base branch is not there (any more)
│   └── UnrelatedHistories  what has to be merged has no commit in common with what it is merged into
├── GitError                git ended with an error
│   ├── GitUnreachable      the remote does not answer now; the same call may succeed later
│   ├── RemoteBroken        the remote answers, and can't: a broken object or ref there; a person repairs it
│   ├── RefRefused          the remote takes no such ref, or no change of it, however often it is tried
│   │   └── PlaceTaken      somebody else's ref stands where ours belongs, again and again
│   └── LeaseLost           the branch on the remote is not where it was expected
├── NotVerified             what was found in the place of our state was not written by us
├── AnswerBroken            a daemon has answered what its activity does not return
├── HandoverBroken          an agent has written over what it hands to its daemon
├── WorktreeBroken          an agent has left its files or its repository so that git can't work there
├── ProcessTimedOut         a process was stopped because its time was over
├── AttemptGone             the attempt is no longer this delivery's own
├── HandedBack              this daemon stops before the work is done
├── ForgeRefused            the forge says no to us: only a person can give the right that is missing
├── ForgeUnreachable        the forge does not answer now, or asks us to wait; the same call may succeed later
├── NotReachable            Temporal or Postgres does not answer
├── NoticeFailed            people could not be told of something; it is tried again
├── RecordError             Postgres refused a statement of ours
│   └── SchemaMismatch      the database's schema is not the code's
├── SettingsError           a setting is missing or makes no sense
└── StackFailed             a part of the embedded stack can't be started
"""

from __future__ import annotations

from datetime import datetime

from domain.agents import Away


class MakimaError(Exception):
    """The base of all errors that a user may see: its text is one line that says what to do."""


class Refused(MakimaError):
    """The rules don't allow this request; nothing was changed."""


class DocumentBroken(Refused):
    """JSON, YAML or TOML that can't be read; the text says where and why. `read`: characters until then, roughly."""

    def __init__(self, reason: str, read: int = 0) -> None:
        super().__init__(reason)
        self.read = read


class PlanRefused(Refused):
    """A plan breaks a rule (rule 3.4); the text names the step and the reason."""


class NoPlanFound(PlanRefused):
    """Nothing in a document looks like a plan (rule 3.3)."""


class CannotServe(MakimaError):
    """This daemon can't serve the task (rule 5.4); `until` says when asking it again makes sense."""

    def __init__(self, reason: str, until: datetime | None = None) -> None:
        super().__init__(reason)
        self.until = until


class AgentUnavailable(CannotServe):
    """It can't because of the agent alone: another agent may do the task here (rule 5.9)."""

    def __init__(self, reason: str, away: Away = Away.NOT_SERVED, until: datetime | None = None) -> None:
        super().__init__(reason, until)
        self.away = away


class RepositoryError(MakimaError):
    """Unknown repository, missing base branch or no push right (rule 2.3): the directive pauses with this text."""


class BaseBranchMissing(RepositoryError):
    """The base branch is not on the remote (any more): a person is asked for another one."""


class UnrelatedHistories(RepositoryError):
    """What has to be merged has no commit in common with what it is merged into; the text names it."""


class GitError(MakimaError):
    """git ended with an error; the text holds the command, its exit code and the end of stderr."""


class GitUnreachable(GitError):
    """The remote does not answer now: the same call may succeed later."""


class RemoteBroken(GitError):
    """The remote's repository holds something that git there can't read, or could not be changed just now; the text is
    git's own. The same call succeeds once it is repaired.
    """


class RefRefused(GitError):
    """The remote takes no such ref, or no change of it (a hook, a hidden or protected ref); trying again is no help."""


class PlaceTaken(RefRefused):
    """Somebody else's ref stands where ours belongs, and can't be moved out of the way, or not any more."""


class LeaseLost(GitError):
    """The branch on the remote is not where it was expected (rule 6.8); nothing was pushed."""


class SigningFailed(MakimaError):
    """A commit can't be signed as the daemon's settings want it; the text says what to do. The same call succeeds once
    the key can be used again.
    """


class NotVerified(MakimaError):
    """What was found in the place of our state was not written by us, or not for this place; the text says why."""


class AnswerBroken(MakimaError):
    """What a daemon answered can't be read: it is of another version, or none of ours; the text says what is wrong."""


class HandoverBroken(MakimaError):
    """What an agent hands over is not as its commands wrote it: it was changed by hand, or isn't a plain file."""


class WorktreeBroken(MakimaError):
    """git can't work in the worktree as the agent has left it: its failure, and not this machine's."""


class ProcessTimedOut(MakimaError):
    """A process was stopped because its time was over; the text holds the command, the time and the end of stderr."""


class AttemptGone(MakimaError):
    """The server no longer counts this delivery as the attempt's own (rule 6.8): nothing may be pushed."""


class HandedBack(MakimaError):
    """The daemon stops, the work so far is saved: another delivery of the same attempt goes on (rule 6.10)."""


class NotReachable(MakimaError):
    """Temporal or Postgres does not answer."""


class NoticeFailed(MakimaError):
    """A notice did not get out by the command or webhook that the settings name; the text says why, without secrets."""


class RecordError(MakimaError):
    """Postgres refused a statement of ours: a constraint, or a schema that is not the code's."""


class RowBroken(RecordError):
    """A row of the record can't be read: another hand has written it. The text says which one, and what is wrong."""


class SchemaMismatch(RecordError):
    """The database's migrations are not the code's: one was changed after it was applied, or the database is newer."""


class SettingsError(MakimaError):
    """A setting is missing or makes no sense."""


class StackFailed(MakimaError):
    """A part of the embedded stack can't be started or has ended before it answered; the text names its log."""


class ForgeRefused(MakimaError):
    """The forge says no to us: the text names what a person has to change, such as a token's missing scope."""


class ForgeUnreachable(MakimaError):
    """The forge does not answer now, or asks us to wait; `until` says when asking again makes sense."""

    def __init__(self, reason: str, until: datetime | None = None) -> None:
        super().__init__(reason)
        self.until = until
