"""What the daemon finds wrong with finished work, whatever its agent says (docs/done-means-done.md)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any
from uuid import uuid4

import pytest

from daemon.git.repositories import Repositories
from daemon.git.repository_cache import RepositoryCache
from daemon.judgement.check import Examined
from daemon.judgement.conflict_markers import conflict_markers
from domain.failures import FailureCategory
from domain.models import Question
from domain.questions import BY_DEFAULT, GIVE_UP, LEFT_CHOICES, PUT_IN, WITHOUT
from domain.spawn_task import CommandContext, ContinueFrom, Outcome, OutcomeStatus
from tests.git_objects import put_commit
from tests.integration.deliveries import OneDaemon, Steps

pytestmark = pytest.mark.rule("6.9")
GitCommand = Callable[..., str]
Committer = Callable[..., str]


@dataclass(frozen=True)
class Case:
    """Something that an agent does, and calls done."""

    script: str
    category: FailureCategory
    said: str
    mended: str
    """How an agent mends it that has read what is wrong."""
    files: dict[str, str]
    """What the branch holds then."""


TWO = "echo 1 > w1.txt; git add -A; git commit -qm w1; echo 2 > w2.txt; git add -A; git commit -qm w2;"
CONFLICT = "sed -i s/2/two/ f.txt; git commit -qam two; git checkout -q -b other HEAD~1; sed -i s/2/zwei/ f.txt; "
CONFLICT += "git commit -qam zwei; git checkout -q --detach HEAD@{2};"
UNFINISHED, CONFLICTED, LOST = FailureCategory.UNFINISHED, FailureCategory.CONFLICT, FailureCategory.HISTORY
RESOLVED = "printf '1\\nboth\\n3\\n' > f.txt; git add f.txt;"
BOTH = {"f.txt": "1\nboth\n3"}
ADDED = {"f.txt": "1\n2\n3", "b.txt": "b"}
ROOT = "R=$(git commit-tree $(git write-tree) -m root);"
CASES = {
    "rebase": Case(
        TWO + 'GIT_SEQUENCE_EDITOR="sed -i 1s/pick/edit/" git rebase -q -i HEAD~2; true',
        *(UNFINISHED, "a rebase is in progress", "git rebase --continue", {"w1.txt": "1", "w2.txt": "2"}),
    ),
    "merge": Case(
        CONFLICT + "git merge other || true",
        *(UNFINISHED, "a merge of .* is in progress", RESOLVED + "git commit -q --no-edit", BOTH),
    ),
    "cherry-pick": Case(
        CONFLICT + "git cherry-pick other || true",
        *(UNFINISHED, "a cherry-pick is in progress", RESOLVED + "git cherry-pick --skip; " + RESOLVED, BOTH),
    ),
    "revert": Case(
        "sed -i s/2/two/ f.txt; git commit -qam two; sed -i s/two/three/ f.txt; git commit -qam three; "
        "git revert --no-edit HEAD~1 || true",
        *(UNFINISHED, "a revert is in progress", "git revert --abort; " + RESOLVED, BOTH),
    ),
    "am": Case(
        CONFLICT + "git format-patch -q -1 other --stdout > ../p; git am -q ../p || true",
        *(
            UNFINISHED,
            "a git am is in progress",
            "git am --abort || true; git branch -D other || true; " + RESOLVED,
            BOTH,
        ),
    ),
    "bisect": Case(
        TWO + "git bisect start -q HEAD HEAD~2 >/dev/null",
        *(UNFINISHED, "a bisect is in progress", "git bisect reset", {"w1.txt": "1", "w2.txt": "2"}),
    ),
    "stash pop": Case(
        "sed -i s/2/two/ f.txt; git stash -q; sed -i s/2/zwei/ f.txt; git commit -qam zwei; git stash pop || true",
        *(CONFLICTED, "unmerged: f.txt", RESOLVED + "git stash drop -q", BOTH),
    ),
    "markers committed": Case(
        CONFLICT + "git merge other || true; git commit -qam merged",
        *(CONFLICTED, "conflict markers are left in f.txt", RESOLVED, BOTH),
    ),
    "markers of diff3": Case(
        "git config merge.conflictStyle diff3;" + CONFLICT + "git merge other || true; git commit -qam merged",
        *(CONFLICTED, "conflict markers are left in f.txt", RESOLVED, BOTH),
    ),
    "one marker of git's": Case(
        "echo '>>>>>>> Stashed changes' >> f.txt",
        *(CONFLICTED, "conflict markers are left in f.txt", RESOLVED, BOTH),
    ),
    "a file of one side": Case(
        "echo 'f.txt -merge' > .gitattributes; git add -A; git commit -qm binary;"
        + CONFLICT
        + "git merge other || true;"
        "rm -f .git/MERGE_HEAD",
        *(CONFLICTED, "unmerged: f.txt", "git add f.txt; git branch -D other", {"f.txt": "1\ntwo\n3"}),
    ),
    "parent reset": Case(
        "git reset -q --hard HEAD~1; echo b > b.txt",
        *(
            LOST,
            "'the base commit' .* is not in the history",
            "git merge -q --no-edit $BASE",
            {"f.txt": "1\n2\n3", "b.txt": "b"},
        ),
    ),
    "parent amended": Case(
        "echo b > b.txt; git add -A; git commit -q --amend -m mine",
        *(
            LOST,
            "'the base commit' .* is not in the history",
            "git merge -q --no-edit $BASE",
            {"f.txt": "1\n2\n3", "b.txt": "b"},
        ),
    ),
    "orphan": Case(
        "git checkout -q --orphan new; echo b > b.txt; git add -A; git commit -qm new",
        *(LOST, "no commit in common", "git reset -q --soft $BASE", ADDED),
    ),
    "replaced": Case(
        "echo b > b.txt; git add -A;" + ROOT + "git replace $R HEAD; git reset -q $R",
        *(LOST, "no commit in common", "git reset -q --soft $BASE", ADDED),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_what_is_wrong_fails_the_attempt_with_its_own_category_and_the_work_saved(
    steps: Steps, case: Case, git: GitCommand, origin: Path
) -> None:
    done = await steps.does(case.script)
    assert done.failure, "the daemon called this done"
    assert done.failure.category is case.category
    assert re.search(case.said, done.failure.report), done.failure.report
    assert done.work, "the work is lost"
    assert git(origin, "cat-file", "-t", done.work.head) == "commit"
    assert git(origin, "for-each-ref", "refs/heads/makima") == ""


@pytest.mark.parametrize("name", ["rebase", "am", "stash pop", "parent amended", "orphan"])
async def test_what_is_wrong_goes_back_to_the_agent_who_mends_it(steps: Steps, name: str) -> None:
    base, case = await steps.daemon.base(), CASES[name]
    done = await steps.told(case.script, case.mended.replace("$BASE", base))
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert {path: steps.show(path) for path in case.files} == case.files


MARKED = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> other\n"


async def test_markers_that_were_there_before_are_nobodys_conflict(steps: Steps, commit: Committer) -> None:
    commit({"guide.md": MARKED, "fixture.txt": MARKED}, branch="main")
    script = "sed -i '1i Title' guide.md; git mv fixture.txt moved.txt; echo more >> moved.txt"
    done = await steps.does(script)
    assert done.status is OutcomeStatus.COMPLETED, done.failure


FENCED = f"```\n{MARKED}```\n"
SHORT = re.sub(r"^([<=>])+", r"\1\1\1", MARKED, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("files", "is_conflict"),
    [
        ({"marked": "Title\n=======\n\n>>>>>>>> print(1)\n<<<<<<< here\n"}, False),
        ({"guide.md": indent(MARKED, "    ")}, False),
        ({".gitattributes": "*.md conflict-marker-size=32\n", "guide.md": MARKED}, False),
        ({".gitattributes": "* conflict-marker-size=3\n", "marked": SHORT}, True),
        ({'ünt "x" file': MARKED}, True),
        ({"how.md": FENCED}, False),
        ({"how.md": f"````text\n```\n{MARKED}````\n"}, False),
        ({"how.md": f"```\n{FENCED}"}, True),
        ({"f.txt": FENCED}, True),
        ({"how.md": FENCED + MARKED}, True),
        ({"marked": MARKED.replace("\n", "\r\n")}, True),
    ],
)
async def test_what_a_marker_is_the_repository_says_itself(
    cache: RepositoryCache, files: dict[str, str], is_conflict: bool
) -> None:
    began = await cache.branch_commit("main")
    assert began
    work = Examined(cache, put_commit(cache.folder, files, began), began, ())
    found = await conflict_markers(work)
    assert (found and found.category) is (FailureCategory.CONFLICT if is_conflict else None)


async def test_markers_that_come_with_a_dependency_are_not_this_steps(steps: Steps, commit: Committer) -> None:
    marked = commit({"guide.md": MARKED}, branch="makima/guide")
    other = commit({"other": "o"}, branch="makima/other")
    parts = [
        ContinueFrom(task=uuid4(), name=name, branch=f"makima/{name}", commit=head)
        for name, head in (("other", other), ("guide", marked))
    ]
    done = await steps.does("echo x > x", continue_from=parts[0], merge=(parts[1],))
    assert done.status is OutcomeStatus.COMPLETED, done.failure


async def test_a_dependency_that_was_merged_in_must_stay(steps: Steps, commit: Committer) -> None:
    other, guide = commit({"other": "o"}, branch="makima/other"), commit({"guide": "g"}, branch="makima/guide")
    parts = [
        ContinueFrom(task=uuid4(), name=name, branch=f"makima/{name}", commit=head)
        for name, head in (("Other", other), ("Guide", guide))
    ]
    done = await steps.does("git reset -q --hard HEAD^1; echo x > x", continue_from=parts[0], merge=(parts[1],))
    assert done.failure and done.failure.category is FailureCategory.HISTORY
    assert "'Guide'" in done.failure.report


async def test_an_amend_in_a_repository_of_one_commit_is_found(
    tmp_path: Path, repositories: Repositories, origin: Path, git: GitCommand
) -> None:
    steps = Steps(OneDaemon(tmp_path, repositories, origin), origin, git)
    done = await steps.does("echo x > x; git add -A; git commit -q --amend -m all")
    assert done.failure and done.failure.category is FailureCategory.HISTORY
    assert "no commit in common" in done.failure.report


async def test_what_a_formatter_changes_is_committed_and_verified_again(steps: Steps) -> None:
    verify = ("test -f x && sed -i s/bad/good/ x && touch report", "grep -q good x")
    done = await steps.does("echo bad > x", verify=verify)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert done.work and done.work.verified == verify
    assert steps.show("x") == "good"
    assert done.work.commits == 2
    assert "report" not in steps.git(steps.origin, "ls-tree", "--name-only", "makima/step")


@pytest.mark.rule("6.7")
async def test_what_a_verify_command_commits_beside_the_work_is_saved(steps: Steps) -> None:
    """It was looked for before: the look is repeated where something has run since."""
    beside = "git stash list | grep -q . || { echo y >> f.txt; git stash -q; }"
    done = await steps.does("echo x > x", verify=(beside,))
    assert done.work and done.work.verified == (beside,)
    assert any("stash" in each for each in done.warnings), done.warnings


async def test_verify_commands_that_never_rest_verify_nothing(steps: Steps) -> None:
    done = await steps.does("echo x > x", verify=("date +%N >> x",))
    assert done.failure and done.failure.category is FailureCategory.VERIFY
    assert "each time" in done.failure.report


@pytest.mark.parametrize(
    "verify", ["rm f.txt", "mv f.txt moved", "rm f.txt; mkdir f.txt.d; sed -i s/bad/good/ x", "git rm -q f.txt x"]
)
async def test_what_a_verify_command_deletes_or_moves_is_not_lost(steps: Steps, verify: str) -> None:
    done = await steps.does("echo bad > x", verify=(verify,))
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert done.work and done.work.verified == (verify,)
    assert steps.show("f.txt") == "1\n2\n3"
    assert steps.show("x") == ("good" if "sed" in verify else "bad")
    assert any("verify commands delete" in each and "f.txt" in each for each in done.warnings)


X = "echo x > x; git add x; git commit -qm x;"
FEATURE = f"git checkout -q -b feature; {X} git checkout -q --detach HEAD~1;"
NEVER = "touch /nonexistent/never"
"""Fails where an agent runs."""
TWO_SIDES = f"git checkout -q -b feature; sed -i s/2/two/ f.txt; git add f.txt; {X} git checkout -q --detach HEAD~1;"
CLASHES = TWO_SIDES + "sed -i s/2/zwei/ f.txt;"
LEFT = {
    "a branch": (FEATURE, "branch 'feature'"),
    "a stash": ("echo x > x; git stash -qu", "stash"),
    "no branch": (f"{X} git checkout -q -b other HEAD~1", "commits on no branch"),
    "files in another worktree": (
        "git worktree add -q --detach ../more HEAD; echo x > ../more/x",
        "(not committed there)",
    ),
    "a tag": (f"{X} git tag -am done done; git reset -q --hard HEAD~1", "tag 'done'"),
    "another worktree": (
        f"git worktree add -q --detach ../more HEAD; cd ../more; {X} cd -",
        "worktree '",
    ),
}


def named(steps: Steps) -> list[str]:
    """The files of the step's branch."""
    return steps.git(steps.origin, "ls-tree", "--name-only", "makima/step").split()


def answered(question: Question, answer: str) -> CommandContext:
    """What a daemon is told once a person has answered."""
    return CommandContext(answers=(question.model_copy(update={"answer": answer, "answered_by": "ann"}),))


@pytest.mark.parametrize("where", LEFT)
async def test_commits_that_the_agent_left_elsewhere_are_named_and_saved_and_a_person_has_them_put_in(
    steps: Steps, where: str, git: GitCommand, origin: Path
) -> None:
    script, said = LEFT[where]
    task = uuid4()
    done = await steps.does(f"{script}\necho y > y", task=task)
    assert done.status is OutcomeStatus.WAITING, done.failure
    (question,) = done.questions
    assert said in question.text and question.choices == LEFT_CHOICES
    kept = git(origin, "for-each-ref", "--format=%(refname)", f"refs/makima/left/{task}/1/")
    assert kept in question.text
    parents = git(origin, "rev-list", "--parents", "-1", kept).split()[1:]
    everything = [
        git(origin, "ls-tree", "-r", "--name-only", each) for each in git(origin, "rev-list", *parents).split()
    ]
    assert any("x" in names.split() for names in everything)
    done = await steps.does(NEVER, task=task, context=answered(question, PUT_IN))
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert named(steps) == ["README", "f.txt", "x", "y"]


async def asked_about(steps: Steps, script: str, answer: str, then: str = NEVER, **other: Any) -> Outcome:
    """The outcome once a person has answered the question about commits that `script` has left."""
    task = uuid4()
    done = await steps.does(script, task=task)
    (question,) = done.questions
    reply = question.model_copy(update={"answer": answer, "answered_by": "ann", **other})
    return await steps.does(then, task=task, context=CommandContext(answers=(reply,)))


@pytest.mark.parametrize("where", ["a branch", "a stash", "files in another worktree"])
async def test_a_person_goes_on_without_them_and_no_agent_runs_again(steps: Steps, where: str) -> None:
    done = await asked_about(steps, f"{LEFT[where][0]}\necho y > y", WITHOUT)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert named(steps) == ["README", "f.txt", "y"]


async def test_notes_are_named_and_can_not_be_merged(steps: Steps) -> None:
    script = f"{X} git notes add -m note"
    asked = await steps.does(script, task=uuid4())
    assert "notes 'commits'" in asked.questions[0].text
    done = await asked_about(steps, script, WITHOUT)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    refused = await asked_about(steps, script, PUT_IN)
    assert refused.failure and "no commit in common" in refused.failure.report


async def test_what_a_person_gives_up_fails_with_the_work_saved(steps: Steps) -> None:
    done = await asked_about(steps, f"{FEATURE}\necho y > y", GIVE_UP)
    assert done.failure and done.failure.category is FailureCategory.LEFT
    assert "branch 'feature'" in done.failure.report
    assert done.work and steps.show("y", done.work.head) == "y"


async def test_commits_that_conflict_with_the_work_are_not_put_in_by_halves(steps: Steps) -> None:
    done = await asked_about(steps, CLASHES, PUT_IN)
    assert done.failure and done.failure.category is FailureCategory.LEFT
    assert "conflicts in f.txt" in done.failure.report
    assert done.work and steps.show("f.txt", done.work.head) == "1\nzwei\n3"


async def test_an_agent_is_given_the_conflict_of_what_is_put_in(steps: Steps) -> None:
    task = uuid4()
    (question,) = (await steps.told(CLASHES, "true", task=task)).questions
    done = await steps.told(RESOLVED, NEVER, task=task, context=answered(question, PUT_IN))
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert (steps.show("f.txt"), steps.show("x")) == ("1\nboth\n3", "x")


@pytest.mark.parametrize("other", [{"answered_by": BY_DEFAULT}, {"text": "Go on?"}])
async def test_only_a_persons_answer_about_this_work_counts(steps: Steps, other: dict[str, str]) -> None:
    done = await asked_about(steps, f"{FEATURE}\necho y > y", WITHOUT, "exit 3", **other)
    assert done.failure and done.failure.category is FailureCategory.AGENT


async def test_an_answer_about_finished_work_finishes_no_other(steps: Steps) -> None:
    task = uuid4()
    (question,) = (await steps.does(f"{FEATURE}\necho y > y", task=task)).questions
    context = answered(question, WITHOUT)
    asks = 'makima directive ask "Which colour?" --wait-seconds 1'
    half = f"echo half > half; {asks}; exit 0"
    went_on = await steps.told(half, half, task=task, context=context, verify=("test -e z",))
    assert went_on.status is OutcomeStatus.WAITING, went_on.failure
    done = await steps.does("exit 3", task=task, context=context)
    assert done.failure and done.failure.category is FailureCategory.AGENT, "the agent has half of it"


@pytest.mark.parametrize(
    "script",
    [
        f"{FEATURE} git merge -q --no-ff --no-edit feature",
        f"{FEATURE} echo y > y; git add y; git commit -qm y; git cherry-pick feature",
        f"{FEATURE.replace(X, X + 'echo z > z; git add z; git commit -qm z;')} git checkout -q --detach HEAD~1;"
        "git merge -q --squash feature",
        f"{X} echo y >> x; git commit -qa --amend -m y",
        "echo x > x; git stash -qu; git stash pop -q",
        f"git checkout -q -b feature; {X} git tag v1",
    ],
)
async def test_commits_that_came_into_the_work_some_way_are_not_left(steps: Steps, script: str) -> None:
    done = await steps.does(script)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert "x" in steps.show("x")


@pytest.mark.parametrize(
    "hides",
    [
        "git update-index --assume-unchanged f.txt;",
        "git update-index --skip-worktree f.txt;",
        "git sparse-checkout set --no-cone /README; echo 1 > f.txt;",
    ],
)
async def test_what_git_was_told_not_to_look_at_is_work(steps: Steps, hides: str) -> None:
    done = await steps.does(f"{hides} echo changed > f.txt; echo x > README")
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert (steps.show("f.txt"), steps.show("README")) == ("changed", "x")


AS_THEY_ARE = {
    "modes": (
        "git config core.fileMode false; chmod +x f.txt; touch run; chmod +x run",
        ["100755 f.txt", "100755 run"],
    ),
    "a mode that git alone was told": (
        "echo run > run; git add --chmod=+x run; git update-index --chmod=+x f.txt; git commit -qm modes; echo 2 > z",
        ["100755 f.txt", "100755 run", "100644 z"],
    ),
    "a mode that git alone was told, beside a file that stays out": (
        "echo x > .env; git add -f --chmod=+x .env f.txt",
        ["100755 f.txt"],
    ),
    "a mode that git alone was told, and no commit": ("git add --chmod=+x f.txt", ["100755 f.txt"]),
    "a mode that git was told, and the disk later": (
        "git add --chmod=+x f.txt; git commit -qm mode; chmod 700 f.txt; chmod 600 f.txt; echo z > z",
        ["100644 f.txt", "100644 z"],
    ),
    "a mode that git alone was told to take away": (
        "chmod +x f.txt; git commit -qam on; git update-index --chmod=-x f.txt; git commit -qm off; echo z > z",
        ["100644 f.txt", "100644 z"],
    ),
    "another letter case": ("git config core.ignoreCase true; mv f.txt F.txt", ["100644 F.txt"]),
    "two letter cases": (
        "git config core.ignoreCase true; echo a > File; echo b > file",
        ["100644 File", "100644 f.txt", "100644 file"],
    ),
    "links": (
        "ln -s README link; git add link; git commit -qm link; git config core.symlinks false; rm link; echo x > link",
        ["100644 f.txt", "100644 link"],
    ),
    "line ends": (
        "git config core.safecrlf true; git config core.autocrlf input; printf 'a\\r\\nb\\r\\n' > w.txt",
        ["100644 f.txt", "100644 w.txt"],
    ),
}


@pytest.mark.parametrize("what", AS_THEY_ARE)
async def test_files_are_committed_as_they_are_whatever_the_agent_told_git_of_the_disk(steps: Steps, what: str) -> None:
    script, wanted = AS_THEY_ARE[what]
    done = await steps.does(script)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert not any("made anew" in each for each in done.warnings)
    listed = steps.git(steps.origin, "ls-tree", "makima/step").splitlines()
    assert [f"{each[:6]} {each.split()[3]}" for each in listed if not each.endswith("README")] == wanted


async def test_what_is_left_out_of_a_sparse_worktree_is_not_deleted(steps: Steps) -> None:
    made = "mkdir d e; echo d > d/old; echo e > e/old; git add -A; git commit -qm made; git sparse-checkout set e;"
    task = uuid4()
    asks = 'makima directive ask "Which colour?" --wait-seconds 1; exit 0'
    waits = await steps.told(f"{made} mkdir d; echo new > d/new; {asks}", NEVER, task=task)
    assert waits.status is OutcomeStatus.WAITING, waits.failure
    done = await steps.does("echo x > x", task=task)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert [steps.show(path) for path in ("d/old", "d/new", "e/old", "x")] == ["d", "new", "e", "x"]


@pytest.mark.parametrize("script", ["git commit -q --allow-empty -m done", f"{X} git rm -q x; git commit -qm back"])
async def test_commits_that_change_nothing_are_no_work(steps: Steps, script: str) -> None:
    done = await steps.does(script)
    assert done.failure and done.failure.category is FailureCategory.NO_RESULT
    told = await steps.told(script, "makima directive done --nothing-to-do 'as it should be'")
    assert told.status is OutcomeStatus.COMPLETED, told.failure


async def test_files_of_commits_that_git_refuses_are_saved_too(steps: Steps, git: GitCommand, origin: Path) -> None:
    raw = "tree %s\\nparent %s\\nauthor x 1 +0000\\ncommitter x 1 +0000\\n\\nm\\n"
    made = f"printf '{raw}' $(git write-tree) $(git rev-parse HEAD) | git hash-object -t commit -w --literally --stdin"
    task = uuid4()
    script = f"echo x > x; git add x; git branch feature $({made}); git reset -q --hard; echo y > y"
    done = await steps.does(script, task=task)
    assert done.status is OutcomeStatus.WAITING, done.failure
    kept = git(origin, "for-each-ref", "--format=%(refname)", f"refs/makima/left/{task}/1/")
    assert git(origin, "show", f"{kept}^1:x") == "x"


async def test_what_an_agent_takes_back_itself_is_saved_and_no_fault(
    steps: Steps, git: GitCommand, origin: Path
) -> None:
    task = uuid4()
    done = await steps.does(f"{X} git reset -q --hard HEAD~1; echo y > y", task=task)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    kept = git(origin, "for-each-ref", "--format=%(refname)", f"refs/makima/left/{task}/1/")
    assert git(origin, "show", f"{kept}^1:x") == "x"


async def test_commits_on_no_branch_are_asked_about_once(steps: Steps) -> None:
    script = f"{X} git checkout -q --detach HEAD~1; echo y > y"
    done = await steps.told(script, "echo z > z")
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert named(steps) == ["README", "f.txt", "y", "z"]
    assert any("refs/makima/left/" in warning for warning in done.warnings)


NESTED = (
    "git init -q app; cd app; echo code > main.js; git add .; git -c user.name=a -c user.email=a@b commit -qm x; cd ..;"
)
LEFT_OUT = {
    "a file that .git/info/exclude hides": (
        "mkdir -p .git/info; echo 'hid*' >> .git/info/exclude; echo x > hidden;",
        "hidden (ignored by a list of git's that only this worktree has)",
    ),
    "a file that a setting hides": (
        "echo 'hid*' > ../list; git config core.excludesFile $PWD/../list; mkdir d; echo x > 'd/hid den';",
        "d/hid den (ignored by a list of git's that only this worktree has)",
    ),
    "a file that the setting of an included file hides": (
        "echo 'hid*' > ../list; git config -f ../more core.excludesFile $PWD/../list;"
        "git config include.path $PWD/../more; echo x > hidden;",
        "hidden (ignored by a list of git's that only this worktree has)",
    ),
    "a nested repository": (NESTED, "app/ (a repository of its own)"),
    "a nested repository with a name of two lines": (
        f"{NESTED} mv app 'a\np';",
        "a\np/ (a repository of its own)",
    ),
    "a large file": ("head -c 12000000 /dev/zero > model.bin;", "model.bin (too large)"),
    "a name of secrets": ("echo x > .env;", ".env (its name is that of a secret)"),
    "an ignored file that is named": (
        "echo '*.local' > .gitignore; mkdir web; echo x > web/settings.local; echo './settings.local' > web/app;",
        "web/settings.local (ignored by git, and the work refers to it)",
    ),
}


@pytest.mark.parametrize("what", LEFT_OUT)
async def test_what_the_daemon_leaves_out_is_told_once_and_stands_in_the_outcome(steps: Steps, what: str) -> None:
    script, told = LEFT_OUT[what]
    heard = await steps.told(f"{script} echo x > x", 'echo "$P" > heard')
    assert heard.status is OutcomeStatus.COMPLETED, heard.failure
    assert " ".join(told.split()) in steps.show("heard")
    assert heard.work and heard.work.left_out == (told,)


async def test_what_is_left_out_stands_in_the_outcome_of_an_agent_that_hears_nothing(steps: Steps) -> None:
    script, told = LEFT_OUT["a name of secrets"]
    done = await steps.does(f"{script} echo x > x")
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert done.work and done.work.left_out == (told,)


async def test_an_agent_that_hears_of_it_brings_it_in(steps: Steps) -> None:
    done = await steps.told(f"{NESTED} echo x > x", "rm -rf app/.git")
    assert done.work and not done.work.left_out, done.failure
    assert steps.show("app/main.js") == "code"


async def test_what_was_ignored_before_the_agent_came_is_not_its_omission(steps: Steps, commit: Committer) -> None:
    commit({".gitignore": "*.local\n"}, branch="main")
    done = await steps.does("echo 'see a.local' > x", setup=("echo x > a.local; touch -d '1 minute ago' a.local",))
    assert done.work and not done.work.left_out


@pytest.fixture
def part(tmp_path: Path, git: GitCommand) -> Path:
    """Another repository, with one commit."""
    folder = tmp_path / "part"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(folder))
    git(folder, "commit", "--quiet", "--allow-empty", "--message=part")
    return folder


SUBMODULE = "git -c protocol.file.allow=always submodule --quiet add {part} part; git commit -qm part;"
AHEAD = "cd part; git commit -q --allow-empty -m mine; cd ..; git add part; git commit -qm ahead"


async def test_a_submodule_points_to_a_commit_that_its_remote_has(steps: Steps, part: Path) -> None:
    done = await steps.does(SUBMODULE.format(part=part))
    assert done.status is OutcomeStatus.COMPLETED, done.failure


async def test_a_submodules_commit_that_only_the_agent_has_is_lost_work(steps: Steps, part: Path) -> None:
    done = await steps.does(SUBMODULE.format(part=part) + AHEAD)
    assert done.failure and done.failure.category is FailureCategory.POINTER
    assert "submodule part points to" in done.failure.report


async def test_a_repository_that_was_added_without_an_address_is_a_link_to_nothing(steps: Steps) -> None:
    done = await steps.does(NESTED + "git add app 2>&1; git commit -qm app")
    assert done.failure and done.failure.category is FailureCategory.POINTER
    assert "without an address in .gitmodules: app" in done.failure.report


async def test_a_submodules_address_runs_nothing(steps: Steps, part: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    edits = f"git config -f .gitmodules submodule.part.url 'ext::touch {mark}'; git commit -qam edited;"
    done = await steps.does(SUBMODULE.format(part=part) + edits)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert not mark.exists()


# Siblings: what else a repository may be left in

IN_TURN = "for n in 1 2; do echo $n > p$n; sed -i 2s/.*/zwei$n/ f.txt; git add -A; git commit -qm p$n; done;"
SEQUENCE = (
    f"git checkout -q -b picks; {IN_TURN} git checkout -q --detach HEAD~2; sed -i s/2/two/ f.txt; git commit -qam two;"
)
REVERTS = (
    f"git checkout -q -b picks; {IN_TURN} git checkout -q --detach; git branch -q -D picks;"
    f"git revert --no-edit HEAD~1 HEAD || true; {RESOLVED} git add -A; git commit -qm first"
)
RERERE = "git config rerere.enabled true; git config rerere.autoUpdate true;"
LEFT_IN = {
    "a sequence of picks after its first commit": Case(
        SEQUENCE + f"git cherry-pick picks~1 picks || true; {RESOLVED} git commit -qam first",
        *(
            UNFINISHED,
            "a cherry-pick or revert is in progress",
            "git cherry-pick --quit; git merge -q -s ours --no-edit picks",
            BOTH,
        ),
    ),
    "a sequence of reverts after its first commit": Case(
        REVERTS,
        *(UNFINISHED, "a cherry-pick or revert is in progress", "git cherry-pick --quit;" + RESOLVED, BOTH),
    ),
    "a merge that rerere has resolved": Case(
        RERERE + CONFLICT + f"git merge other || true; {RESOLVED} git commit -qam m; git reset -q --hard HEAD~1;"
        "git merge other || true",
        *(UNFINISHED, "a merge of .* is in progress", "git commit -q --no-edit", BOTH),
    ),
    "a branch without a commit": Case(
        "git switch -q --orphan new; echo b > b.txt",
        *(LOST, "without a commit, .* gone are: README, f.txt", "git checkout HEAD -- README f.txt", ADDED),
    ),
    "a graft": Case(
        "echo b > b.txt; git add -A;" + ROOT + 'echo "$R $(git rev-parse HEAD)" > .git/info/grafts; git reset -q $R',
        *(LOST, "no commit in common", "rm -f .git/info/grafts; git reset -q --soft $BASE", ADDED),
    ),
}


@pytest.mark.parametrize("case", LEFT_IN.values(), ids=LEFT_IN.keys())
async def test_what_is_left_half_done_in_other_ways_is_found_and_mended(steps: Steps, case: Case) -> None:
    base = await steps.daemon.base()
    done = await steps.does(case.script)
    assert done.failure, "the daemon called this done"
    assert done.failure.category is case.category
    assert re.search(case.said, done.failure.report), done.failure.report
    done = await steps.told(case.script, case.mended.replace("$BASE", base))
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert {path: steps.show(path) for path in case.files} == case.files


FIT = {
    "a branch of the name that ours has": (
        "git checkout -q -b makima/step; echo x > x; git add x; git commit -qm x",
        "x",
    ),
    "a commit of the future": (
        'echo x > x; git add x; GIT_COMMITTER_DATE="2099-01-01T00:00:00Z" git commit -qm x --date 2099-01-01',
        "x",
    ),
    "a commit of the first day": (
        'echo x > x; git add x; GIT_COMMITTER_DATE="@0 +0000" git commit -qm x --date "@0 +0000"',
        "x",
    ),
    "autocrlf": ("git config core.autocrlf true; printf 'a\\r\\nb\\r\\n' > x", "a\nb"),
    "line ends that the repository wants": (
        "echo '* text=auto eol=crlf' > .gitattributes; printf 'a\\r\\nb\\r\\n' > x",
        "a\nb",
    ),
    "a filter of the agent's": (
        "git config filter.up.clean 'tr a-z A-Z'; git config filter.up.smudge 'tr A-Z a-z';"
        "echo 'x filter=up' > .gitattributes; echo abc > x",
        "ABC",
    ),
    "a filter of the agent's, committed by it": (
        "git config filter.up.clean 'tr a-z A-Z'; git config filter.up.smudge 'tr A-Z a-z';"
        "echo 'x filter=up' > .gitattributes; echo abc > x; git add -A; git commit -qm x",
        "ABC",
    ),
    "everything locked away": ("echo x > x; mkdir d; echo y > d/y; find . -depth -exec chmod 000 {} + || true", "x"),
}


@pytest.mark.parametrize(("script", "wanted"), FIT.values(), ids=FIT.keys())
async def test_what_is_odd_and_no_fault_is_work(steps: Steps, script: str, wanted: str) -> None:
    """Line ends and filters are converted as git is told: an agent's setup may have unlocked what only is encrypted."""
    done = await steps.does(script)
    assert done.status is OutcomeStatus.COMPLETED, done.failure
    assert steps.show("x") == wanted
    assert not done.questions


async def test_a_worktree_inside_the_work_loses_nothing(steps: Steps) -> None:
    script = "git worktree add -q inside -b side; echo w > inside/w; cd inside; git add w; git commit -qm w; echo v > v"
    done = await steps.does(f"echo x > x; ({script})")
    assert done.status is OutcomeStatus.WAITING, done
    (question,) = done.questions
    assert "side" in question.text


@pytest.mark.parametrize(("more", "is_lost"), [("", False), (AHEAD, True)])
async def test_a_submodules_address_may_be_relative(steps: Steps, part: Path, more: str, is_lost: bool) -> None:
    relative = "git config -f .gitmodules submodule.part.url ../part; git commit -qam relative;"
    done = await steps.does(SUBMODULE.format(part=part) + relative + more)
    assert (done.failure.category if done.failure else None) is (FailureCategory.POINTER if is_lost else None)
