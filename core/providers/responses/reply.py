"""A whole answer in the form of Responses as a chat completion, and back.

No I/O. An answer of an unknown form raises `LookupError`, `TypeError`, `AttributeError` or
`ValueError`; one that tells of a failure is an `UpstreamError`.
"""

import time
from collections.abc import Mapping
from typing import Any

from core.errors import UpstreamError
from core.ids import new_id
from core.providers.bodies import picked
from core.providers.responses.output import (
    chat_usage,
    end_item,
    failure,
    items_of,
    message_in,
    response_usage,
    scores_in,
)

#: why an answer stopped short: chat's finish reason → Responses' word
_SHORT = {"length": "max_output_tokens", "content_filter": "content_filter"}
#: what the API says of a setting that the client left open
_DEFAULTS: Mapping[str, Any] = {
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "service_tier": "auto",
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def to_chat(response: Mapping[str, Any]) -> dict[str, Any]:
    """The chat completion of a Responses answer. `UpstreamError` unless it came to its end."""
    refuse_unfinished(response)
    message = message_in(response["output"])
    completion: dict[str, Any] = {
        "id": response.get("id") or "",
        "object": "chat.completion",
        "created": int(response.get("created_at") or 0),
        "model": response.get("model") or "",
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": scores_in(response["output"]),
                "finish_reason": finish_of(response, called="tool_calls" in message),
            }
        ],
        **picked(response, "service_tier"),
    }
    if usage := response.get("usage"):
        completion["usage"] = chat_usage(usage)
    return completion


def refuse_unfinished(response: Mapping[str, Any]) -> None:
    if error := response.get("error"):
        raise failure(error)
    status = response.get("status") or "completed"
    if status not in ("completed", "incomplete"):
        raise UpstreamError(f"the provider's answer is not complete, but {status}")


def finish_of(response: Mapping[str, Any], *, called: bool) -> str:
    """Chat's finish reason of a Responses answer."""
    if response.get("status") == "incomplete":
        reason = (response.get("incomplete_details") or {}).get("reason")
        return "content_filter" if reason == "content_filter" else "length"
    return "tool_calls" if called else "stop"


def from_chat(completion: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """The Responses answer of a chat completion; ``request`` is what the client asked."""
    choice = completion["choices"][0]
    response = begun(request, completion.get("model") or "", completion.get("created"))
    output = items_of(choice["message"], choice.get("logprobs"))
    return finished(response, output, choice.get("finish_reason"), completion)


def begun(request: Mapping[str, Any], model: str, created: int | None) -> dict[str, Any]:
    """An answer in progress: the client's settings, told back as the API tells them."""
    text, reasoning = request.get("text") or {}, request.get("reasoning") or {}
    return {
        "id": f"resp_{new_id()}",
        "object": "response",
        "created_at": created or int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "usage": None,
        **_DEFAULTS,
        **picked(request, *_DEFAULTS),
        "metadata": request.get("metadata") or {},
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "text": {"format": {"type": "text"}, "verbosity": "medium", **text},
        "tools": [_told(tool) for tool in request.get("tools") or ()],
    }


def _told(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool["type"] != "function":
        return dict(tool)
    return {"description": None, "parameters": None, "strict": False, **tool}


def is_short(reason: str | None) -> bool:
    """Whether chat's finish reason tells of an answer that stopped short."""
    return reason in _SHORT


def finished(
    response: Mapping[str, Any],
    output: list[dict[str, Any]],
    reason: str | None,
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """The answer at its end; ``told``: what chat says beside the message, usage among it.

    Where it stopped short, its last item lacks something.
    """
    for item in output:
        end_item(item, short=is_short(reason) and item is output[-1])
    short = _SHORT.get(reason or "")
    return {
        **response,
        "status": "incomplete" if short else "completed",
        "completed_at": None if short else int(time.time()),
        "incomplete_details": {"reason": short} if short else None,
        "output": output,
        "usage": response_usage(told.get("usage")),
        **picked(told, "service_tier"),
    }
