"""What a daemon reads of issues: it has the forge's token (rule 7.6)."""

from __future__ import annotations

from functools import partial

from daemon.forges.labelled_issues import LabelledIssues
from daemon.forges.port import ForgesByUrl
from daemon.logs.masking import Masker
from domain.errors import ForgeRefused, Refused
from domain.intake.issue import IssueNamed, IssueRead
from domain.intake.state import IssueLook, IssuesSeen, IssueTold, ProgressTold, directive_of_issue
from domain.names import short
from domain.pull_request import Finding
from domain.repository_url import parse_repository_url


class IssueDesk:
    """The daemon behind the port `activities.ports.IssueReader`."""

    def __init__(self, owner: str, forges: ForgesByUrl, masker: Masker) -> None:
        self._owner = owner
        self._forges = forges
        self._masker = masker
        self._known: dict[tuple[str, str], LabelledIssues] = {}

    async def look(self, look: IssueLook) -> IssuesSeen | None:
        """See the port."""
        self._refuse_foreign(look.owner)
        try:
            forge = await self._forges.at(parse_repository_url(look.repository, allow_local=False))
            known = self._known.get((look.repository, look.label))
            if known is None:
                becomes = partial(_directive_of, look.owner, look.repository)
                known = self._known[look.repository, look.label] = LabelledIssues(look.label, becomes)
            followed = {each.number: each.handled for each in look.followed}
            found, left, commands = await known.look(await forge.issues(), look.taken, followed)
        except ForgeRefused as refusal:
            seen = IssuesSeen(left=look.left, trouble=self._masker.mask(str(refusal))[:1000])
        else:
            said = tuple(each.model_copy(update={"text": self._masker.mask(each.text)}) for each in commands)
            seen = IssuesSeen(found=tuple(map(self._masked, found)), left=tuple(left), commands=said)
        return seen if seen.is_news_to(look) else None

    async def tell(self, told: ProgressTold) -> IssueTold:
        """See the port."""
        self._refuse_foreign(told.owner)
        forge = await self._forges.at(parse_repository_url(told.repository, allow_local=False))
        return IssueTold(at=await (await forge.issues()).tell(told.number, self._masker.mask(told.body)))

    async def read(self, named: IssueNamed) -> IssueRead:
        """See the port."""
        self._refuse_foreign(named.owner)
        forge = await self._forges.at(parse_repository_url(named.repository, allow_local=False))
        issues = await forge.issues()
        return self._masked(await issues.read(named.number))

    def _refuse_foreign(self, owner: str) -> None:
        if owner != self._owner:
            raise Refused(f"this daemon serves owner {self._owner!r}, not {owner!r}")

    def _masked(self, issue: IssueRead) -> IssueRead:
        """It becomes a prompt, and is recorded."""

        def masked(comment: Finding) -> Finding:
            said = {name: self._masker.mask(getattr(comment, name)) for name in ("title", "text", "url")}
            return comment.model_copy(update=said)

        said = {name: self._masker.mask(getattr(issue, name)) for name in ("title", "text", "url")}
        return issue.model_copy(update={**said, "comments": tuple(map(masked, issue.comments))})


def _directive_of(owner: str, repository: str, number: int) -> str:
    return short(directive_of_issue(owner, repository, number))
