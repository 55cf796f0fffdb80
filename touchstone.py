"""The command line: the composition root over all rooms, a dispatcher and nothing else."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from core.errors import TouchstoneError
from core.settings import load_settings, read_environment

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
tasks_app = typer.Typer(no_args_is_help=True, help="The benchmark tasks.")
export_app = typer.Typer(no_args_is_help=True, help="Measurements as CSV, JSONL or Parquet.")
app.add_typer(tasks_app, name="tasks")
app.add_typer(export_app, name="export")

Names = Annotated[list[str] | None, typer.Option("--model", help="provider/name or bare name")]


@app.callback()
def touchstone() -> None:
    """Routes every prompt to the language model that answers best for its user."""


@app.command()
def up() -> None:
    """Run all of it on this machine: database, Prefect server, flow runner, web service."""
    from launch.console import run_up

    _until_stopped(run_up(load_settings(), read_environment()))


@app.command()
def demo() -> None:
    """The whole path on two small real models; no key needed."""
    from launch.demo import run_demo

    _until_stopped(run_demo(load_settings(), read_environment()))


@app.command()
def serve() -> None:
    """The web service alone."""
    from launch.parts import serve_web, serve_workers

    settings = load_settings()
    if settings.workers == 1:
        serve_web(settings)
    else:
        _until_stopped(serve_workers(settings, read_environment()))


@app.command()
def runner() -> None:
    """The flow runner alone: serves the deployments of prefect.yaml."""
    from launch.parts import serve_flows

    _until_stopped(serve_flows(load_settings()))


@app.command()
def migrate() -> None:
    """Bring the database's tables and the shipped tasks up to date."""
    from launch.parts import migrate_database

    asyncio.run(migrate_database(load_settings()))


@app.command()
def discover() -> None:
    """List every provider's models and store them."""
    _flow("discover_models")


@app.command()
def interview(
    model: Names = None,
    everyone: Annotated[bool, typer.Option("--all", help="not only the never interviewed")] = False,
) -> None:
    """Ask models for their strengths and weaknesses."""
    _flow("interview_models", models=model, only_new=False if everyone else None)


@app.command()
def benchmark(
    model: Names = None,
    category: Annotated[str | None, typer.Option()] = None,
    task: Annotated[list[str] | None, typer.Option(help="a task's id")] = None,
    repeats: Annotated[int | None, typer.Option(min=1)] = None,
    run_id: Annotated[str | None, typer.Option(help="go on with this run")] = None,
) -> None:
    """Ask enabled models the enabled tasks, and score the answers."""
    _flow(
        "run_benchmarks",
        run_id=run_id,
        models=model,
        category=category,
        tasks=task,
        repeats=repeats,
    )


@app.command()
def route(prompt: str) -> None:
    """Decide which model would answer, and say why."""
    from launch.ask import show_route

    asyncio.run(show_route(load_settings(), prompt))


@app.command()
def chat(prompt: str) -> None:
    """Let the best model answer."""
    from launch.ask import show_answer

    asyncio.run(show_answer(load_settings(), prompt))


@app.command()
def leaderboard(category: Annotated[str | None, typer.Option()] = None) -> None:
    """The models by score, with n and interval."""
    from launch.ask import show_leaderboard

    asyncio.run(show_leaderboard(load_settings(), category))


@app.command()
def check() -> None:
    """Settings, providers, database, Prefect: a line each; exit code 1 when one is not well."""
    from launch.checkup import checkup

    sys.exit(0 if asyncio.run(checkup(load_settings())) else 1)


@export_app.command("scores")
def export_scores(
    output: Annotated[str, typer.Argument(help="a .csv, .jsonl or .parquet file")] = "-",
) -> None:
    """One row for each run, model, task and attempt."""
    from launch.parts import export_scores

    asyncio.run(export_scores(load_settings(), output))


@tasks_app.command("list")
def list_tasks() -> None:
    """The tasks by category."""
    from launch.tasks import show_tasks

    asyncio.run(show_tasks(load_settings()))


@tasks_app.command("export")
def export_tasks() -> None:
    """All tasks as YAML on standard output."""
    from launch.tasks import print_tasks

    asyncio.run(print_tasks(load_settings()))


@tasks_app.command("import")
def import_tasks(file: str) -> None:
    """Tasks from a YAML or JSONL file; one with a known id becomes a new version."""
    from launch.tasks import read_tasks

    asyncio.run(read_tasks(load_settings(), file))


def _flow(name: str, **parameters: Any) -> None:
    from launch.progress import run_flow

    sys.exit(0 if asyncio.run(run_flow(load_settings(), name, parameters)) else 1)


def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run it until it ends or a signal comes; either way it cleans up first."""

    async def watched() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(work)
        stopping = False

        def stop() -> None:
            nonlocal stopping
            if not stopping:  # a second Ctrl-C must not cut the clean-up short
                stopping = True
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(watched())


def main() -> None:
    """Console script: errors of ours are one line on stderr and exit code 1."""
    try:
        app()
    except TouchstoneError as exc:
        print(f"touchstone: {exc.message}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
