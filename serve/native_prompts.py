"""Touchstone's own dialect, the prompts: what the meta-model, the judge and interviews are told."""

from typing import Any

from sanic import HTTPResponse, Request

from core.records import Prompt
from core.store import prompts
from core.suite import builtin_prompts
from serve import editing
from serve.auth import require_admin
from serve.operations import Operation, described, fields, value
from serve.parse import json_body
from serve.reply import send_json
from serve.service import Service


def prompt_view(prompt: Prompt) -> dict[str, Any]:
    """A prompt in force; ``version`` 0 is the text that ships."""
    return {
        "key": prompt.key,
        "text": prompt.text,
        "version": prompt.version,
        "edited": prompt.version > 0,
    }


@described(Operation(answer="`prompts`, `count`"))
async def list_prompts(request: Request) -> HTTPResponse:
    """GET /prompts: the editable prompts as they are in force."""
    service: Service = request.app.ctx.service
    edited = await prompts.current_prompts(service.pool)
    shipped = [Prompt(key=key, text=text) for key, text in sorted(builtin_prompts().items())]
    found = [prompt_view(edited.get(prompt.key, prompt)) for prompt in shipped]
    return send_json({"prompts": found, "count": len(found)})


@described(Operation(answer="`key`, `text`, `version`, `edited`, `shipped`, `history`"))
async def get_prompt(request: Request, key: str) -> HTTPResponse:
    """GET /prompts/{key}: one prompt, with the shipped text and its history."""
    return await _shown(request.app.ctx.service, key)


async def _shown(service: Service, key: str) -> HTTPResponse:
    found = prompt_view(await editing.prompt_in_force(service, key))
    history = [
        {"version": entry.version, "text": entry.text, "created_at": entry.created_at}
        for entry in await prompts.prompt_history(service.pool, key)
    ]
    return send_json(found | {"shipped": editing.shipped_prompt(key), "history": history})


@described(
    Operation(
        body=fields(required=("text",), text=value("string", "the whole text")),
        answer="the prompt, as GET has it",
        admin=True,
    )
)
async def edit_prompt(request: Request, key: str) -> HTTPResponse:
    """PUT /prompts/{key}: put a text in force as a new version.

    The shipped text takes it back to what ships, now and after updates.
    """
    service: Service = request.app.ctx.service
    require_admin(request, service.settings)
    body = json_body(request)
    await editing.edit_prompt(service, key, body.get("text"))
    await service.registry.refresh()
    return await _shown(service, key)
