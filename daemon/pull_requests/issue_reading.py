"""What a daemon reads of issues: it has the forge's token (rule 7.6)."""

from __future__ import annotations

from daemon.forges.port import ForgesByUrl
from daemon.logs.masking import Masker
from domain.errors import Refused
from domain.intake.issue import IssueNamed, IssueRead
from domain.pull_request import Finding
from domain.repository_url import parse_repository_url


class IssueDesk:
    """The daemon behind the port `activities.ports.IssueReader`."""

    def __init__(self, owner: str, forges: ForgesByUrl, masker: Masker) -> None:
        self._owner = owner
        self._forges = forges
        self._masker = masker

    async def read(self, named: IssueNamed) -> IssueRead:
        """See the port."""
        if named.owner != self._owner:
            raise Refused(f"this daemon serves owner {self._owner!r}, not {named.owner!r}")
        forge = await self._forges.at(parse_repository_url(named.repository, allow_local=False))
        issues = await forge.issues()
        return self._masked(await issues.read(named.number))

    def _masked(self, issue: IssueRead) -> IssueRead:
        """It becomes a prompt, and is recorded."""

        def masked(comment: Finding) -> Finding:
            said = {name: self._masker.mask(getattr(comment, name)) for name in ("title", "text", "url")}
            return comment.model_copy(update=said)

        said = {name: self._masker.mask(getattr(issue, name)) for name in ("title", "text", "url")}
        return issue.model_copy(update={**said, "comments": tuple(map(masked, issue.comments))})
