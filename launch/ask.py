"""`route`, `chat` and `leaderboard`: the service's own reasoning, without its sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.table import Table

from core import evidence, providers
from core.decision import Candidate, Decision, Score
from core.providers import Asked
from core.providers.http import Client
from core.routing import RouteRequest
from core.settings import Settings
from launch.up import database
from serve.answer import complete, preview
from serve.app import close_service, open_service
from serve.calls import ChatCall, message_text
from serve.service import Service

console = Console()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Service]:
    """A service without a door."""
    async with database(settings) as url:
        async with Client() as client:
            found = await providers.configured(client, settings)
        service = await open_service(settings, found, url)
        try:
            yield service
        finally:
            await close_service(service)


async def show_route(settings: Settings, prompt: str) -> None:
    async with opened(settings) as service:
        decision = await preview(service, RouteRequest(text=prompt), "")
        say_decision(decision, decision.target)


async def show_answer(settings: Settings, prompt: str) -> None:
    async with opened(settings) as service:
        body = {"messages": [{"role": "user", "content": prompt}]}
        asked = Asked(body=body, max_tokens=settings.anthropic_max_tokens)
        answered = await complete(service, ChatCall(asked=asked, route=RouteRequest(text=prompt)))
        console.print(message_text(answered.answer.found), markup=False)
        say_decision(answered.decision, answered.answered_by)


def say_decision(decision: Decision, answered_by: str) -> None:
    """The choice and why, in a few lines."""
    console.print(f"\n[bold]{answered_by}[/]  ({decision.outcome}, {decision.decision_ms:.0f} ms)")
    if decision.category:
        console.print(f"category: {decision.category}")
    console.print(f"why: {decision.reason}", markup=False)
    if decision.runners_up:
        console.print(f"runners-up: {', '.join(decision.runners_up)}", markup=False)


async def show_leaderboard(settings: Settings, category: str | None) -> None:
    async with opened(settings) as service:
        snapshot = service.registry.snapshot
        console.print(leaderboard_table(snapshot.candidates, snapshot.categories, category))


def leaderboard_table(
    candidates: tuple[Candidate, ...], categories: tuple[str, ...], category: str | None
) -> Table:
    """A column for each model, best first; each score with its interval and n."""
    order = evidence.ranked(candidates, category)
    table = Table()
    table.add_column("category")
    for candidate in order:
        table.add_column(candidate.model.id, overflow="fold")
    for name in [category] if category else categories:
        table.add_row(name, *(_cell(c.scores.get(name)) for c in order))
    if not category:
        means = [evidence.overall(c) for c in order]
        table.add_row("overall", *("–" if m is None else f"{m:.1f}" for m in means))
    latencies = [c.avg_latency_ms for c in order]
    table.add_row("latency", *("–" if ms is None else f"{ms:.0f} ms" for ms in latencies))
    return table


def _cell(score: Score | None) -> str:
    if score is None:
        return "–"
    return f"{score.mean:.1f} ({score.low:.1f}–{score.high:.1f}, n={score.n})"
