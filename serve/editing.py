"""What may be edited has a shipped text to go back to: tasks and prompts."""

import asyncio
from typing import Any

from core.errors import BadRequest, Conflict, NotFound
from core.records import Prompt, Task
from core.store import prompts, tasks
from core.suite import builtin_prompts, builtin_tasks
from serve.service import Service


async def reset_task(service: Service, task_id: str) -> Task:
    """A shipped task as it shipped, in use again, deleted or not; `Conflict` for any other."""
    shipped = await asyncio.to_thread(builtin_tasks)
    task = next((entry for entry in shipped if entry.id == task_id), None)
    if task is None:
        raise Conflict(
            f"{task_id} did not come with Touchstone: there is nothing to go back to", param="id"
        )
    await tasks.save_task(service.pool, task, shipped=True)
    return task


def shipped_prompt(key: str) -> str:
    """The shipped text; `NotFound` names the keys there are."""
    found = builtin_prompts().get(key)
    if found is None:
        known = ", ".join(sorted(builtin_prompts()))
        raise NotFound(f"there is no prompt {key}; there are {known}", param="key")
    return found


async def prompt_in_force(service: Service, key: str) -> Prompt:
    """The edited text, else the shipped one as version 0."""
    shipped = shipped_prompt(key)
    edited = (await prompts.current_prompts(service.pool)).get(key)
    return edited or Prompt(key=key, text=shipped)


async def edit_prompt(service: Service, key: str, text: Any) -> None:
    """Put a text in force as a new version; the shipped text is a return to what ships."""
    current = await prompt_in_force(service, key)
    if not isinstance(text, str) or not text.strip():
        raise BadRequest("text must be text, and not empty", param="text")
    text = text.replace("\r\n", "\n").strip()
    if text != current.text:
        shipped = shipped_prompt(key)
        await prompts.save_prompt(service.pool, key, text, is_default=text == shipped)
