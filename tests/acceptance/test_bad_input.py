"""What is wrong is said in one line, at once where it can be known, else as the reason of a pause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.demo_repository import git, make_origin
from tests.acceptance.stack import (
    Ours,
    Ran,
    Running,
    SharedServers,
    Site,
    daemon_settings,
    environment,
    until,
)
from tests.forked import Program

KIB = 1024


def plan(*steps: Mapping[str, object]) -> str:
    return json.dumps({"steps": steps})


def step(name: str = "a", task_plan: str = "true", **fields: object) -> dict[str, object]:
    return {"name": name, "task_plan": task_plan, **fields}


PLANS = {
    "a cycle": (plan(step("a", depends_on=["b"]), step("b", depends_on=["a"])), "wait for each other in a circle: 'a'"),
    "an unknown dependency": (plan(step(depends_on=["nobody"])), "step 'a' depends on 'nobody'"),
    "a name that stands twice": (plan(step("a"), step("a")), "two steps of one plan are named 'a'"),
    "no JSON": ("steps: none", "no plan found"),
    "a step beside the steps": (
        json.dumps({"steps": [step()], "then": step("z")}),
        "'z' is a step outside of the list",
    ),
    "groups in another order": (
        json.dumps({"phases": [{"order": 2, "steps": [step()]}, {"order": 1, "steps": [step("z")]}]}),
        "the groups stand in the order 2, 1 by their order",
    ),
    "a step without a name": (plan({"task_plan": "true"}), "step 1 (''): name"),
    "too many steps": (plan(*(step(str(number)) for number in range(201))), "at most 200 steps, this one has 201"),
    "a task that is too long": (plan(step(task_plan="a" * (64 * KIB + 1))), "a task plan has at most 64 KiB"),
    "a plan that is too long": (
        plan(*(step(str(number), "a" * 64 * KIB) for number in range(9))),
        "at most 512 KiB",
    ),
}

OPTIONS = {
    "a folder that is not there": (["--repo", "/nowhere/at/all"], "there is no folder /nowhere/at/all"),
    "a way to fetch that runs programs": (["--repo", "ext::sh -c true"], "options and remote helpers"),
    "an unknown way to fetch": (["--repo", "ftp://host/path"], "git over 'ftp' is not accepted"),
    "a path of Windows": (["--repo", "C:\\src\\shop"], "is a path of Windows"),
    "a shorthand of another program": (["--repo", "gh:owner/repo"], "is a shorthand that git doesn't know"),
    "another user's home folder": (["--repo", "~other/shop"], "write the whole path"),
    "an issue's page": (
        ["--repo", "https://forge.invalid/team/shop/issues/12"],
        "use https://forge.invalid/team/shop.",
    ),
    "a pull request's page": (["--repo", "https://github.com/team/shop/pull/3"], "use https://github.com/team/shop."),
    "a wiki's page": (["--repo", "https://forge.invalid/team/shop/wiki/Home"], "of a wiki's page"),
    "a gist": (["--repo", "https://gist.github.com/ann/0123456789abcdef"], "is a gist"),
    "an address without its scheme": (["--repo", "github.com/team/shop"], "lacks https://"),
    "an address without its colon": (["--repo", "git@github.com/team/shop.git"], "use git@github.com:team/shop.git"),
    "a relative address of a file": (["--repo", "file://shop"], "the whole path of this machine"),
    "a file in place of a repository": (["--repo", "/etc/passwd"], "/etc/passwd is a file"),
    "a branch that is an option": (["--base-branch=--force"], "'--force' is not a branch's name"),
    "a missing plan file": (["--plan", "/nowhere/plan.json"], "--plan /nowhere/plan.json"),
    "no title": (["--title", " "], "title"),
    "too little at a time": (["--max-parallel", "0"], "max_parallel_steps"),
    "unknown timings": (["--timings", "slow"], "--timings is one of normal, fast"),
    "an unknown option": (["--no-such-option"], "--no-such-option"),
    "a cost without end": (["--max-cost", "inf"], "max_cost_usd"),
    "more turns than a number holds": (["--max-turns", "9" * 20], "max_turns"),
    "a number that is none": (["--max-parallel", "many"], "--max-parallel"),
}


@pytest.fixture(scope="module")
def refused(servers: SharedServers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """What became of every bad `start`; all of them are run once, side by side."""
    folder = tmp_path_factory.mktemp("refused")
    origin = make_origin(folder)
    good = ("start", "--title", "T", "--goal", "G", "--repo", str(origin))

    def given(name: str, document: str) -> str:
        file = folder / f"{name}.json"
        file.write_text(document)
        return str(file)

    calls = {
        name: [*good, "--agent", "shell", "--plan", given(name, document)] for name, (document, _) in PLANS.items()
    }
    fine = given("a good plan", plan(step()))
    calls |= {name: [*good, "--agent", "shell", "--plan", fine, *options] for name, (options, _) in OPTIONS.items()}
    calls |= {"neither planner nor plan": [*good], "no repository": ["start", "--title", "T", "--goal", "G"]}
    with Site(servers, folder, "refused") as site, ThreadPoolExecutor(3) as pool:
        ended = dict(zip(calls, pool.map(lambda args: site.starter(*args), calls.values()), strict=True))
        assert site.starter("list").out == ""  # nothing has been started
        return ended


@pytest.mark.rule("3.4")
@pytest.mark.rule("9.3")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, said) for name, (_, said) in {**PLANS, **OPTIONS}.items()),
        ("neither planner nor plan", "--planner NAME"),
        ("no repository", "--repo"),
    ],
)
def test_start_refuses(name: str, said: str, refused: dict[str, Ran]) -> None:
    check_one_line(refused[name], 2, said)


def check_one_line(ran: Ran, code: int, said: str) -> None:
    """An error is one line that says what to do, on stderr alone."""
    assert said in ran.err
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran


@pytest.mark.rule("2.3")
def test_what_only_a_daemon_can_know_pauses_the_directive_until_it_is_mended(site: Site) -> None:
    site.worker()
    site.daemon()
    origin, no_repository = make_origin(site.folder), site.folder / "no-repository"
    no_repository.mkdir()
    file = site.folder / "plan.json"
    file.write_text(plan(step(task_plan="echo made > made")))
    common = ("start", "--goal", "G", "--plan", str(file), "--agent", "shell", "--timings", "fast", "--wait")

    unknown = site.starter(*common, "--title", "Unknown", "--repo", str(no_repository))
    assert (unknown.code, unknown.err) == (1, "")
    assert f"paused, generation 1: Prepare: Unknown: {no_repository}" in unknown.out

    missing = site.starter(*common, "--title", "Missing", "--repo", str(origin), "--base-branch", "next", "--json")
    assert missing.code == 1
    shown = missing.json()
    assert shown["status"] == "paused"
    assert "'next'" in shown["reason"]
    git(origin, "branch", "next", "main")
    resumed = site.starter("resume", shown["id"])
    assert (resumed.code, resumed.err) == (0, "")
    assert site.starter("watch", shown["id"]).code == 0
    assert git(origin, "show", f"{site.starter('status', shown['id'], '--json').json()['pr']['branch']}:made") == "made"


@pytest.mark.rule("9.3")
def test_what_is_not_reachable_is_said_in_one_line(site: Site) -> None:
    nobody = "127.0.0.1:1"
    database = f"postgresql://me:secret@{nobody}/db"
    start = ("start", "--title", "T", "--goal", "G", "--planner", "p", "--repo", str(make_origin(site.folder)))
    for command in (start, ("status", "1"), ("list",), ("goal", "1", "G")):
        asks_temporal = command != ("list",)
        if asks_temporal:
            check_one_line(site.starter(*command, TEMPORAL_ADDRESS=nobody), 3, f"Temporal at {nobody} is not reachable")
        without_database = site.starter(*command, MAKIMA_DATABASE_URL=database)
        check_one_line(without_database, 3, f"Postgres at {nobody} does not answer")
        assert "secret" not in without_database.err
        no_stack = site.starter(*command, data=site.folder / "empty")
        check_one_line(no_stack, 3, "`python starter.py up`")


@pytest.mark.rule("9.3")
def test_a_command_that_comes_before_the_first_worker_says_what_is_missing(mortal_site: Site) -> None:
    check_one_line(mortal_site.starter("list"), 3, "worker.py")


@pytest.mark.rule("9.3")
def test_worker_and_daemon_say_in_one_line_what_they_do_not_reach(site: Site) -> None:
    nobody, temporal = "127.0.0.1:1", site.servers.addresses.temporal_address
    settings = daemon_settings(site.folder, "one")
    away = environment(TEMPORAL_ADDRESS=nobody, MAKIMA_DATABASE_URL=site.servers.addresses.database_url)
    no_database = environment(TEMPORAL_ADDRESS=temporal, MAKIMA_DATABASE_URL=f"postgresql://me@{nobody}/db")
    alone = environment(MAKIMA_DATA_DIR=site.folder / "empty")
    unnamed = environment(TEMPORAL_ADDRESS=temporal)
    worker, daemon = Ours(Program.WORKER), Ours(Program.DAEMON)
    cases = (
        ("worker-temporal", worker, away, 3, f"Temporal at {nobody} is not reachable"),
        ("worker-postgres", worker, no_database, 3, f"Postgres at {nobody} does not answer"),
        ("worker-alone", worker, alone, 3, "`python starter.py up`"),
        ("daemon-temporal", daemon, {**away, "MAKIMA_DAEMON_CONFIG": str(settings)}, 3, f"Temporal at {nobody}"),
        ("daemon-settings", daemon, unnamed, 2, "MAKIMA_DAEMON_CONFIG"),
    )
    started = [(Running(name, argv, env, site.folder), code, said) for name, argv, env, code, said in cases]
    for process, code, said in started:
        check_one_line(process.ran(), code, said)


@pytest.mark.rule("4.4")
@pytest.mark.rule("5.4")
def test_without_a_daemon_a_directive_says_what_it_waits_for_and_goes_on_when_one_comes(site: Site) -> None:
    site.worker()
    origin, file = make_origin(site.folder), site.folder / "plan.json"
    file.write_text(plan(step(task_plan="echo made > made")))
    options = (
        "--title",
        "Alone",
        "--goal",
        "G",
        "--repo",
        str(origin),
        "--plan",
        str(file),
        "--agent",
        "shell",
        "--timings",
        "fast",
    )
    started = site.starter("start", *options, "--json").json()["id"]
    until(lambda: site.starter("status", started).code == 0, "the worker's answer")
    told = "has reported in the last 90 s"
    assert told in site.starter("status", started).out
    assert told in site.status(started)["waiting"]
    site.daemon()
    watched = site.starter("watch", started)
    assert (watched.code, watched.err) == (0, "")
    assert watched.out.splitlines()[-1] == "Alone: idle"
