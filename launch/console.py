"""What `touchstone up` says on the terminal."""

import asyncio
import logging
from collections.abc import Mapping

import httpx
from rich.console import Console
from rich.logging import RichHandler

from core.settings import Settings
from launch.up import Stack, stack

console = Console()


def log_to_console() -> None:
    """Warnings of this process, in a line each."""
    handler = RichHandler(console=console, show_path=False, show_time=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])


async def run_up(settings: Settings, environment: Mapping[str, str]) -> None:
    """Until it is cancelled."""
    log_to_console()
    console.print("Starting the database, the Prefect server, the flow runner and the service …")
    try:
        async with stack(settings, environment) as running:
            await say_what_runs(settings, running)
            console.print("Ctrl-C stops all of it.")
            await asyncio.Event().wait()
    finally:
        console.print("Stopped.")


async def say_what_runs(settings: Settings, running: Stack) -> None:
    """The addresses, whether the doors are locked, and how many models are known."""
    async with httpx.AsyncClient() as client:
        found = (await client.get(f"{running.url}/models")).json()["models"]
    enabled = sum(model["enabled"] for model in found)
    console.print(f"[bold]OpenAI[/]     {running.url}/v1   (model: touchstone)")
    console.print(f"[bold]Ollama[/]     {running.url}")
    console.print(f"[bold]Admin[/]      {running.url}/admin")
    console.print(f"[bold]Prefect[/]    {running.prefect_api_url.removesuffix('/api')}")
    console.print(f"[bold]Logs[/]       {settings.home / 'logs'}")
    admin = "locked by ADMIN_API_KEY" if settings.admin_api_key else "open on this machine only"
    chat = "locked" if settings.require_auth_for_chat else "open"
    console.print(f"[bold]Doors[/]      chat {chat}, admin {admin}")
    console.print(f"[bold]Models[/]     {len(found)} known, {enabled} enabled for routing")
    if not found:
        console.print(
            "           `touchstone discover` finds them, `touchstone interview` asks them"
        )
