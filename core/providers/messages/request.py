"""A request in OpenAI's chat form as one to Anthropic's Messages, and back.

Pure. Input of an unknown form raises `LookupError`, `TypeError`, `AttributeError` or `ValueError`.
"""

from collections.abc import Mapping
from operator import index
from typing import Any

from core.providers.bodies import picked, text_of, unavailable
from core.providers.messages.parts import (
    blocks_of,
    chat_choice,
    chat_parts,
    chat_tool,
    content_of,
    message_choice,
    message_tool,
)
from core.providers.messages.turns import messages_of, turns_of

#: called the same, and meaning the same, on both sides
_SAME = ("model", "stream", "temperature", "top_p", "top_k")
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})
_SYSTEM = ("system", "developer")
#: what of chat's oldest form, or of its sound, would be lost without a word
_LOST = ("functions", "function_call", "audio")
#: what only Anthropic's own servers do
_ELSEWHERE = ("container", "mcp_servers")
#: tokens to think with
_BUDGETS = {"low": 1024, "medium": 4096, "high": 16384, "xhigh": 16384, "max": 16384}
_UNTHINKING = ("none", "minimal")
_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only"}
_CHAT_TIERS = {"auto": "auto", "standard_only": "default"}
_JSON = "Answer with one JSON object and nothing else."


def from_chat(body: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
    """A Messages request for a chat body; ``max_tokens`` stands in where the client set none.

    Left out, for Messages knows nothing like them: n, seed, penalties, logit_bias, logprobs,
    prediction, stream_options, metadata but for its user_id.
    """
    for name in _LOST:
        if body.get(name):
            raise ValueError(f"{name} has no counterpart in Messages")
    request = picked(body, *_SAME)
    if "temperature" in request:
        request["temperature"] = min(request["temperature"], 1)  # chat's scale ends at 2
    given = (body.get("max_completion_tokens"), body.get("max_tokens"), max_tokens)
    request["max_tokens"] = next(limit for limit in given if limit is not None)
    request |= _conversation(body) | _stops(body) | _user(body) | _tools(body)
    if tier := _TIERS.get(body.get("service_tier") or ""):
        request["service_tier"] = tier
    if (schema := _schema(body.get("response_format"))) is not None:
        request["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return _thinking(request, body)


def _conversation(body: Mapping[str, Any]) -> dict[str, Any]:
    """System and messages: the words of the system come first, wherever they stood."""
    system = [m["content"] for m in body["messages"] if m["role"] in _SYSTEM]
    blocks = [block for content in system for block in blocks_of(content)]
    turns = turns_of(m for m in body["messages"] if m["role"] not in _SYSTEM)
    if not turns and not blocks:
        raise ValueError("the conversation is empty")
    if not turns:  # Messages wants a turn: a system that speaks alone is the user
        turns, blocks = [{"role": "user", "content": blocks}], []
    if (body.get("response_format") or {}).get("type") == "json_object":
        blocks.append({"type": "text", "text": _JSON})
    return {"messages": turns} | ({"system": content_of(blocks)} if blocks else {})


def _stops(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("stop") or []
    stops = [given] if isinstance(given, str) else _texts(given)
    found = [stop for stop in stops if stop.strip()]  # blank ones are refused
    return {"stop_sequences": found} if found else {}


def _texts(given: Any) -> list[str]:
    if not isinstance(given, list):
        raise TypeError(f"a list was expected, not {type(given).__name__}")
    return [text_of(text) for text in given]


def _user(body: Mapping[str, Any]) -> dict[str, Any]:
    user = body.get("user") or body.get("safety_identifier")
    user = user or (body.get("metadata") or {}).get("user_id")
    return {"metadata": {"user_id": text_of(user)}} if user else {}


def _tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools = [message_tool(tool) for tool in body.get("tools") or ()]
    if not tools:
        return {}
    choice, parallel = body.get("tool_choice"), body.get("parallel_tool_calls")
    if choice is None and parallel is not False:
        return {"tools": tools}
    return {"tools": tools, "tool_choice": message_choice(choice, parallel)}


def _schema(wanted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    match wanted:
        case None | {"type": "text" | "json_object"}:
            return None
        case {"type": "json_schema", "json_schema": {"schema": {**schema}}}:
            return schema
    raise ValueError("response_format is of an unknown kind")


def _thinking(request: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The request with thinking, where the client wants it and Messages allows it."""
    thinking = _wanted(body)
    if thinking is None or not _may_think(request, thinking):
        return request
    found = {name: value for name, value in request.items() if name not in _SAMPLING}
    found["thinking"] = thinking
    if thinking["type"] == "enabled":
        if found["max_tokens"] <= (budget := thinking["budget_tokens"]):
            found["max_tokens"] += budget
    elif effort := body.get("reasoning_effort"):
        found["output_config"] = {**found.get("output_config", {}), "effort": effort}
    return found


def _wanted(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The thinking that the client asks for, by its effort.

    A body's own ``thinking``, a field that other servers know too, goes before: the newer models
    take no budget but ``{"type": "adaptive"}``, and are then told the effort as such.
    """
    effort = body.get("reasoning_effort")
    if effort in _UNTHINKING:
        return None
    budget = _budget(effort or "medium")
    match body.get("thinking"):
        case {"type": "adaptive"} | {"type": "enabled", "budget_tokens": int()} as thinking:
            return thinking
        case {"type": "enabled"}:
            return budget
        case {"type": "disabled"}:
            return None
    return budget if effort else None


def _budget(effort: str) -> dict[str, Any]:
    if effort not in _BUDGETS:
        raise ValueError("reasoning_effort is of an unknown kind")
    return {"type": "enabled", "budget_tokens": _BUDGETS[effort]}


def _may_think(request: Mapping[str, Any], thinking: Mapping[str, Any]) -> bool:
    """Not where a tool is forced; with a budget not in the middle of a turn that began without."""
    if request.get("tool_choice", {}).get("type") in ("any", "tool"):
        return False
    if thinking["type"] == "adaptive":
        return True
    *before, last = request["messages"]
    if last["role"] == "assistant":
        return False
    if last["content"][0]["type"] != "tool_result":
        return True
    return bool(before) and before[-1]["content"][0]["type"].endswith("thinking")


def to_chat(request: Mapping[str, Any]) -> dict[str, Any]:
    """A chat body for a Messages request; `BadRequest` names what chat cannot hold.

    The limit becomes ``max_tokens``: servers that do not know it say so, and `mended` renames it;
    those that do not know ``max_completion_tokens`` ignore it in silence. A stream is asked for
    its usage, which Messages always tells.
    """
    for name in _ELSEWHERE:
        if request.get(name):
            raise unavailable(name, name)
    body = picked(request, *_SAME)
    body["max_tokens"] = index(request["max_tokens"])
    system = chat_parts(request.get("system") or ())
    body["messages"] = [{"role": "system", "content": content_of(system)}] if system else []
    body["messages"] += messages_of(request["messages"])
    if stops := request.get("stop_sequences"):
        body["stop"] = _texts(stops)
    if user := (request.get("metadata") or {}).get("user_id"):
        body["user"] = text_of(user)
    if tier := _CHAT_TIERS.get(request.get("service_tier") or ""):
        body["service_tier"] = tier
    if effort := _effort(request):
        body["reasoning_effort"] = effort
    if body.get("stream"):
        body["stream_options"] = {"include_usage": True}
    return body | _chat_tools(request) | _response_format(request)


def _chat_tools(request: Mapping[str, Any]) -> dict[str, Any]:
    """Servers refuse an empty list of tools, and what is said about tools where there are none."""
    tools = [chat_tool(tool) for tool in request.get("tools") or ()]
    choice = request.get("tool_choice")
    if not tools:
        return {}
    return {"tools": tools} | (chat_choice(choice) if choice else {})


def _response_format(request: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that is wished for; not ``strict``, for that asks more of a schema in chat."""
    config = request.get("output_config") or {}
    match config.get("format") or request.get("output_format"):
        case None:
            return {}
        case {"type": "json_schema", "schema": {**schema}}:
            named = {"name": "answer", "schema": schema}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
    raise ValueError("output_config.format is of an unknown kind")


def _effort(request: Mapping[str, Any]) -> str | None:
    """What chat calls the effort; Anthropic's own default for adaptive thinking is high."""
    effort = (request.get("output_config") or {}).get("effort")
    match request.get("thinking"):
        case {"type": "disabled"}:
            return None
        case {"type": "enabled", "budget_tokens": int(budget)}:
            levels = [level for level in ("low", "medium", "high") if _BUDGETS[level] <= budget]
            return levels[-1] if levels else "low"
        case {"type": "adaptive"}:
            return effort or "high"
        case None | {"type": "between_tools"}:
            return effort
    raise ValueError("thinking is of an unknown kind")
