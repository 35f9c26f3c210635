"""An agent asks, somebody touches the link of the notice, the agent goes on: all of it with real processes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from demo.demo_repository import make_origin
from tests.acceptance.stack import Site, until
from tests.acceptance.test_observed import collector, free_address

SCRIPT = """set -e
answer=$(makima directive ask "Which currency?")
echo "$answer" > currency.txt
"""


@pytest.mark.rule("8.5")
def test_a_question_is_answered_by_the_link_of_its_notice_while_the_agent_waits(site: Site, tmp_path: Path) -> None:
    at = free_address()
    with collector() as phone:
        worker = site.worker(
            MAKIMA_NOTIFY_WEBHOOK=f"{phone.url}/hook",
            MAKIMA_ANSWER_URL=f"http://{at}/answers",
            MAKIMA_ANSWER_KEY="k" * 40,
            MAKIMA_NOTIFY_COMMAND=shlex.join(["sh", "-c", f"cat >> {tmp_path}/told; echo >> {tmp_path}/told"]),
        )
        site.daemon()
        plan = tmp_path / "asks.json"
        plan.write_text(json.dumps({"steps": [{"name": "Currency", "task_plan": SCRIPT}]}))
        origin = make_origin(tmp_path)
        asked = ("start", "--title", "Prices", "--goal", "Prices have a currency", "--repo", str(origin))
        directive = site.starter(*asked, "--plan", str(plan), "--agent", "shell", "--json").json()["id"]

        def questions() -> list[dict[str, object]]:
            notices = [json.loads(body) for body in phone.bodies.get("/hook", [])]
            return [each for told in notices if told["kind"] == "question" for each in told["happenings"]]

        (told,) = until(questions, "the notice of the question")
        link = str(told["link"])
        assert link.startswith(f"http://{at}/answers/")
        assert UUID(str(told["question"]))
        serve = ("answers", "--listen", at)
        first = site.starting("answers-1", *serve, MAKIMA_ANSWER_KEY="k" * 40)
        page = until(lambda: got(link), "the page")
        assert "Which currency?" in page.text
        first.kill()
        second = site.starting("answers-2", *serve, MAKIMA_ANSWER_KEY="k" * 40)
        until(lambda: got(link), "the page of the next one")
        answered = [httpx.post(link, data={"answer": "EUR"}, timeout=60) for _ in range(2)]
        assert [each.status_code for each in answered] == [200, 200]
        assert httpx.post(link, data={"answer": "USD"}, timeout=60).status_code == 409
        until(lambda: site.status(directive)["status"] == "idle" or None, "its end")
        history = site.starter("history", directive).out
        (line,) = [each for each in history.splitlines() if "question answered" in each]
        assert "webhook (link of a notice)" in line
        assert second.end() == 0
        token = link.rpartition("/")[2]
        said = worker.err + worker.out + first.out + first.err + second.out + second.err
        assert token not in said
        assert token.partition(".")[2] not in said


def got(link: str) -> httpx.Response | None:
    try:
        page = httpx.get(link, timeout=60)
    except httpx.ConnectError:
        return None
    assert page.status_code == 200
    return page
