"""Clients that others have written against the fake forge: what they can't read, or find missing, is a fault of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import github
import gitlab
import httpx
import pytest
from pyforgejo import CreatePullReviewComment, PyforgejoApi

from tests.fixtures_forges import Site
from tests.needs import lack, need

CLIENTS = Path(__file__).parents[1] / "clients"


@pytest.fixture
async def failed_job(site: Site) -> int:
    """Of a run on the head of `work`."""
    head = site.commit("work", {"a.py": "1\n"})
    return int(
        (await site.forge.set_check(site.name, ref=head, name="test", conclusion="failure", log="1 failed"))["id"]
    )


async def test_pygithub_does_all_that_a_pull_request_needs(site: Site, failed_job: int) -> None:
    await site.forge.set_status(site.name, ref="work", context="ci/lint", state="success")
    await site.forge.add_token("anns", "ann")
    await asyncio.to_thread(_with_pygithub, site, failed_job)


def _with_pygithub(site: Site, job: int) -> None:
    auth = github.Auth.Token(site.forge.token)
    with github.Github(
        auth=auth, base_url=site.forge.api_url, retry=None, seconds_between_requests=None, seconds_between_writes=None
    ) as client:
        assert client.get_user().login == "makima"
        repository = client.get_repo(site.name)
        assert repository.default_branch == "main"
        made = repository.create_pull(title="Add login", body="For users.", head="work", base="main", draft=True)
        assert (made.number, made.state, made.draft, made.head.ref) == (1, "open", True, "work")
        made.mark_ready_for_review()
        made.edit(title="Add the login", body="For all users.")
        pull = repository.get_pull(1)
        assert (pull.title, pull.body, pull.draft) == ("Add the login", "For all users.", False)
        assert [each.number for each in repository.get_pulls(state="open", base="main")] == [1]

        said = pull.create_issue_comment("How is it?")
        said.edit("How is it now?")
        assert [each.body for each in pull.get_issue_comments()] == ["How is it now?"]
        *_, head = pull.get_commits()
        remarks: list[github.PullRequest.ReviewComment] = [{"path": "a.py", "line": 1, "side": "RIGHT", "body": "Why?"}]
        with pytest.raises(github.GithubException, match="Can not request changes on your own pull request"):
            pull.create_review(head, "Nearly.", "REQUEST_CHANGES", comments=remarks)
        review = _of_ann(site).create_review(head, "Nearly.", "REQUEST_CHANGES", comments=remarks)
        assert review.state == "CHANGES_REQUESTED"
        (remark,) = pull.get_review_comments()
        assert (remark.path, remark.body) == ("a.py", "Why?")
        answer = pull.create_review_comment_reply(remark.id, "Because.")
        assert answer.in_reply_to_id == remark.id
        assert [each.body for each in pull.get_single_review_comments(review.id)][:1] == ["Why?"]
        assert _of_ann(site).create_review(head, "Good.", "APPROVE").state == "APPROVED"
        assert [each.state for each in pull.get_reviews()] == ["CHANGES_REQUESTED", "APPROVED"]
        review.dismiss("It was answered.")
        assert repository.get_pull(1).get_review(review.id).state == "DISMISSED"

        commit = repository.get_commit(pull.head.sha)
        assert [(each.id, each.conclusion) for each in commit.get_check_runs()] == [(job, "failure")]
        assert [each.conclusion for each in commit.get_check_suites()] == ["failure"]
        commit.create_status("pending", "https://ci.example/1", "Runs.", "ci/deploy")
        combined = commit.get_combined_status()
        assert {each.context: each.state for each in combined.statuses} == {
            "ci/lint": "success",
            "ci/deploy": "pending",
        }
        (run,) = repository.get_workflow_runs(head_sha=pull.head.sha)
        assert (run.status, run.conclusion) == ("completed", "failure")
        assert [each.name for each in run.jobs()] == ["test"]
        assert repository.get_workflow_run(run.id).rerun_failed_jobs()

        pull.edit(state="closed")
        assert repository.get_pull(1).state == "closed"
        pull.edit(state="open")
        assert repository.get_pull(1).mergeable
        assert pull.merge(merge_method="squash", sha=pull.head.sha).merged
        assert repository.get_pull(1).merged
        with pytest.raises(github.GithubException) as refused:
            pull.merge()
        assert refused.value.status == 405


def _of_ann(site: Site) -> github.PullRequest.PullRequest:
    """The pull request as another person's client has it."""
    client = github.Github(
        auth=github.Auth.Token("anns"), base_url=site.forge.api_url, retry=None, seconds_between_requests=None,
        seconds_between_writes=None,
    )  # fmt: skip
    return client.get_repo(site.name).get_pull(1)


async def test_octokit_does_all_that_a_pull_request_needs(site: Site, failed_job: int) -> None:
    """And reads lists of exactly a hundred, and of one more."""
    node = need("node", "nodejs")
    if not (CLIENTS / "node_modules").is_dir():
        lack("octokit is not installed: make clients")
    await site.forge.add_token("anns", "ann")
    asked = (site.forge.api_url, site.forge.token, site.name, str(failed_job), "anns")
    process = await asyncio.create_subprocess_exec(
        node, str(CLIENTS / "octokit.mjs"), *asked, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, told = await process.communicate()
    assert (process.returncode, output.decode()) == (0, "done\n"), told.decode()


async def test_python_gitlab_does_all_that_a_merge_request_needs(site: Site, failed_job: int) -> None:
    await asyncio.to_thread(_with_python_gitlab, site, failed_job)


def _with_python_gitlab(site: Site, job: int) -> None:
    with gitlab.Gitlab(site.forge.url, private_token=site.forge.token) as client:
        client.auth()
        assert client.user is not None and client.user.username == "makima"
        assert client.version()[0] != "unknown"
        project = client.projects.get(site.name)
        assert project.default_branch == "main"
        wanted = {
            "source_branch": "work",
            "target_branch": "main",
            "title": "Draft: Add login",
            "description": "For users.",
        }
        made = project.mergerequests.create(wanted)
        assert (made.iid, made.state, made.draft) == (1, "opened", True)
        made.title, made.description = "Add login", "For all users."
        made.save()
        request = project.mergerequests.get(1)
        assert (request.title, request.description, request.draft) == ("Add login", "For all users.", False)
        assert [each.iid for each in project.mergerequests.list(state="opened", iterator=True)] == [1]

        note = request.notes.create({"body": "How is it?"})
        note.body = "How is it now?"
        note.save()
        refs = request.diff_refs
        place = {**refs, "position_type": "text", "new_path": "a.py", "old_path": "a.py", "new_line": 1}
        discussion = request.discussions.create({"body": "Why?", "position": place})
        discussion.notes.create({"body": "Because."})
        found = request.discussions.get(discussion.id)
        assert [each["body"] for each in found.attributes["notes"]] == ["Why?", "Because."]
        found.resolved = True
        found.save()
        assert all(each["resolved"] for each in request.discussions.get(discussion.id).attributes["notes"])
        assert {each.body for each in request.notes.list(get_all=True)} >= {"How is it now?", "Why?", "Because."}
        request.approve()
        assert request.approvals.get().approved
        project.mergerequests.get(1).unapprove()
        request = project.mergerequests.get(1)

        commit = project.commits.get(request.sha)
        commit.statuses.create({"state": "success", "name": "ci/lint", "description": "Fine."})
        assert {each.name: each.status for each in commit.statuses.list(get_all=True)} == {
            "test": "failed",
            "ci/lint": "success",
        }
        (listed, *_) = request.pipelines.list(get_all=True)
        pipeline = project.pipelines.get(listed.id)
        assert pipeline.status == "failed"
        assert [each.id for each in project.pipelines.list(sha=request.sha, get_all=True)][:1] == [listed.id]
        jobs = pipeline.jobs.list(get_all=True)
        assert [(each.id, each.status) for each in jobs] == [(job, "failed")]
        assert b"1 failed" in project.jobs.get(job).trace()

        request.state_event = "close"
        request.save()
        assert project.mergerequests.get(1).state == "closed"
        request.state_event = "reopen"
        request.save()
        assert project.mergerequests.get(1).state == "opened"
        request.merge(squash=True, sha=request.sha)
        assert project.mergerequests.get(1).state == "merged"
        with pytest.raises(gitlab.GitlabMRClosedError):
            project.mergerequests.get(1).merge()


async def test_pyforgejo_does_all_that_a_pull_request_needs(site: Site, failed_job: int) -> None:
    await site.forge.set_status(site.name, ref="work", context="ci/lint", state="success")
    await asyncio.to_thread(_with_pyforgejo, site, failed_job)


def _with_pyforgejo(site: Site, job: int) -> None:
    owner, _, name = site.name.partition("/")
    url, key = f"{site.forge.url}/api/v1", f"token {site.forge.token}"
    with httpx.Client() as connections:
        client = PyforgejoApi(base_url=url, api_key=key, httpx_client=connections)
        at = {"owner": owner, "repo": name}
        assert client.user.get_current().login == "makima"
        assert client.miscellaneous.get_version().version
        assert client.repository.repo_get(**at).default_branch == "main"
        made = client.repository.repo_create_pull_request(
            **at, title="WIP: Add login", body="For users.", head="work", base="main"
        )
        assert (made.number, made.state, made.draft) == (1, "open", True)
        one = {**at, "index": 1}
        client.repository.repo_edit_pull_request(**one, title="Add login", body="For all users.")
        pull = client.repository.repo_get_pull_request(**one)
        assert (pull.title, pull.body, pull.draft) == ("Add login", "For all users.", False)
        assert [each.number for each in client.repository.repo_list_pull_requests(**at, state="open")] == [1]
        assert client.repository.repo_get_pull_request_by_base_head(**at, base="main", head="work").number == 1

        said = client.issue.create_comment(**one, body="How is it?")
        client.issue.edit_comment(**at, id=said.id, body="How is it now?")
        assert [each.body for each in client.issue.get_comments(**one)] == ["How is it now?"]
        remark = CreatePullReviewComment(path="a.py", new_position=1, body="Why?")
        review = client.repository.repo_create_pull_review(
            **one, event="REQUEST_CHANGES", body="Nearly.", comments=[remark]
        )
        assert review.state == "REQUEST_CHANGES"
        (told,) = client.repository.repo_get_pull_review_comments(**one, id=review.id)
        assert (told.path, told.body) == ("a.py", "Why?")
        client.repository.repo_create_pull_review(**one, event="APPROVED", body="Good.")
        client.repository.repo_dismiss_pull_review(**one, id=review.id, message="It was answered.")
        states = [each.state for each in client.repository.repo_list_pull_reviews(**one)]
        assert states == ["REQUEST_CHANGES", "APPROVED"]
        assert [each.filename for each in client.repository.repo_get_pull_request_files(**one)] == ["a.py", "app.py"]

        sha = pull.head.sha
        client.repository.repo_create_status(**at, sha=sha, context="ci/deploy", state="pending", description="Runs.")
        combined = client.repository.repo_get_combined_status_by_ref(**at, ref=sha)
        said = {(each.context, each.status) for each in combined.statuses}
        assert said >= {("ci/lint", "success"), ("ci/deploy", "pending")}
        assert [
            each.status for each in client.repository.repo_list_statuses(**at, sha=sha) if each.context == "ci/lint"
        ]
        (run,) = client.repository.list_action_runs(**at, head_sha=sha).workflow_runs
        assert run.id == job

        client.repository.repo_edit_pull_request(**one, state="closed")
        assert client.repository.repo_get_pull_request(**one).state == "closed"
        client.repository.repo_edit_pull_request(**one, state="open")
        client.repository.repo_merge_pull_request(**one, do="squash", head_commit_id=sha)
        assert client.repository.repo_get_pull_request(**one).merged
        client.repository.repo_pull_request_is_merged(**one)
