"""`python -m daemon` and its commands; the composition root hands in what they work with."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from pydantic import ValidationError

from daemon.doctor.checks import Wanted
from daemon.home import House
from daemon.pull_requests.leftovers import look_or_remove
from daemon.sandbox.sandbox import MissingSandbox
from domain import names
from domain.errors import Refused
from domain.health_report import Health
from domain.leftovers import OnlyHere
from domain.remote_leftovers import RemoteWanted

Main = Callable[[], Awaitable[int]]


def build_app(
    serve: Main,
    open_house: Callable[[], Awaitable[House]],
    examine: Callable[[Wanted], Awaitable[Health]],
    end_with: Callable[[Main], None],
) -> typer.Typer:
    """`serve` runs the daemon; `end_with` runs a main function and ends the process with its exit code."""
    serves = "A Makima daemon; without a command it serves tasks until SIGTERM."
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=serves)

    @app.callback(invoke_without_command=True)
    def daemon(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            end_with(serve)

    @app.command()
    def gc(
        now: Annotated[bool, typer.Option("--now", help="Don't wait for the time that they are kept.")] = False,
    ) -> None:
        """Remove worktrees whose time is over and whose work is on the remote.

        Example: python -m daemon gc --now
        """
        end_with(lambda: _gc(open_house, at_once=now))

    @app.command()
    def restore(
        task: Annotated[str, typer.Argument(metavar="TASK", help="A task's id, or the beginning of one.")],
        repo: Annotated[str, typer.Option(help="Its repository, where this machine has not run the task.")] = "",
    ) -> None:
        """Lay a task's work into a fresh folder and print its path.

        Example: python -m daemon restore 3f2a91c0
        """
        end_with(lambda: _restore(open_house, task, repo))

    @app.command()
    def parked(
        agent: Annotated[str, typer.Argument(metavar="[AGENT]", help="Only this agent's.")] = "",
        clear: Annotated[bool, typer.Option("--clear", help="Let them be tried again now.")] = False,
    ) -> None:
        """Show which agents' accounts rest, and until when: a limit was reached, or a login refused.

        Example: python -m daemon parked claude --clear
        """
        end_with(lambda: _parked(open_house, agent, clear=clear))

    @app.command("only-here")
    def only_here(
        as_json: Annotated[bool, typer.Option("--json", help="JSON in place of lines.")] = False,
    ) -> None:
        """Show the work that no remote has, which would be lost with this machine.

        Example: python -m daemon only-here
        """
        end_with(lambda: _only_here(open_house, as_json=as_json))

    @app.command()
    def leftovers() -> None:
        """Look at what ended directives have left on a remote, or remove it, as `clean --remote` asks on stdin.

        Example: python -m daemon leftovers < wanted.json
        """
        end_with(lambda: _leftovers(open_house))

    @app.command()
    def sandbox() -> None:
        """Try the sandbox of agents and name it; exit code 1 where none works, and none was chosen.

        Example: python -m daemon sandbox
        """
        end_with(lambda: _sandbox(open_house))

    @app.command()
    def settings(
        as_json: Annotated[bool, typer.Option("--json", help="JSON in place of lines.")] = False,
    ) -> None:
        """Read the settings as a daemon does that starts now; exit code 2, with the reason, where it would not.

        Example: python -m daemon settings
        """
        end_with(lambda: _settings(open_house, as_json=as_json))

    @app.command()
    def doctor(
        repository: Annotated[str, typer.Option(metavar="URL", help="Also: may this machine push there?")] = "",
        push: Annotated[
            bool,
            typer.Option("--push", help="Push a branch and a ref there for a moment: hooks answer nothing else."),
        ] = False,
        branch_prefix: Annotated[
            str,
            typer.Option(
                callback=_prefix,
                help="What branches are to begin with; else what .makima.toml there says, else makima/.",
            ),
        ] = "",
        base_branch: Annotated[str, typer.Option(help="Whose .makima.toml counts; else the default branch's.")] = "",
        as_json: Annotated[bool, typer.Option("--json", help="JSON in place of lines.")] = False,
    ) -> None:
        """Look at everything that this daemon needs: a line each, with the remedy. Nothing is spent.

        Example: python -m daemon doctor --repository git@example.com:team/shop.git
        """
        end_with(lambda: _doctor(examine(Wanted(repository, push, branch_prefix, base_branch)), as_json=as_json))

    return app


def _prefix(text: str) -> str:
    try:
        return names.branch_prefix(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


async def _doctor(examining: Awaitable[Health], *, as_json: bool) -> int:
    health = await examining
    typer.echo(health.model_dump_json() if as_json else "\n".join(health.lines()))
    return 0 if health.is_good else 1


async def _sandbox(open_house: Callable[[], Awaitable[House]]) -> int:
    sandbox = (await open_house()).sandbox
    typer.echo(sandbox.about)
    return 1 if isinstance(sandbox, MissingSandbox) else 0


async def _settings(open_house: Callable[[], Awaitable[House]], *, as_json: bool) -> int:
    house = await open_house()
    if signer := house.repositories.git.signer:
        await signer.check()
    about = house.about
    typer.echo(about.model_dump_json() if as_json else f"{about.serves}; sandbox: {about.sandbox}")
    return 0


async def _parked(open_house: Callable[[], Awaitable[House]], agent: str, *, clear: bool) -> int:
    parking = (await open_house()).parking
    found = parking.clear(agent) if clear else parking.now_parked(agent)
    for each in found:
        typer.echo(f"freed: {each}" if clear else each)
    if not found:
        typer.echo("no account rests")
    return 0


async def _gc(open_house: Callable[[], Awaitable[House]], *, at_once: bool) -> int:
    for cleaned in await (await open_house()).housekeeper.clean(at_once=at_once):
        because = f"kept: {cleaned.kept_because}" if cleaned.kept_because else "removed"
        typer.echo(f"{cleaned.folder} {because}")
    return 0


async def _only_here(open_house: Callable[[], Awaitable[House]], *, as_json: bool) -> int:
    house = await open_house()
    found = await house.housekeeper.only_here()
    left = OnlyHere(daemon=house.about.name, work=tuple(f"{each.folder}: {each.kept_because}" for each in found))
    typer.echo(left.model_dump_json() if as_json else "\n".join(left.work or ("the remotes have all work",)))
    return 0


async def _leftovers(open_house: Callable[[], Awaitable[House]]) -> int:
    try:
        wanted = RemoteWanted.model_validate_json(sys.stdin.read())
    except ValidationError as error:
        raise Refused("stdin holds no JSON of what is wanted: `starter.py clean --remote URL` asks for it") from error
    house = await open_house()
    cache = await house.repositories.at(wanted.repository)
    try:
        found = await look_or_remove(cache, await house.forges.at(cache.url), wanted)
    finally:
        await house.forges.close()
    typer.echo(found.model_dump_json())
    return 0


async def _restore(open_house: Callable[[], Awaitable[House]], task: str, repository: str) -> int:
    restorer = (await open_house()).restorer
    path = await restorer.restore(task, repository)
    for warning in restorer.warnings:
        typer.echo(warning, err=True)
    typer.echo(path)
    return 0
