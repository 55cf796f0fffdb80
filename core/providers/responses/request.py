"""A request in OpenAI's chat form as one in the form of Responses, and back.

Pure. Input of an unknown form raises `LookupError`, `TypeError`, `AttributeError` or `ValueError`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import BadRequest
from core.providers.bodies import picked, text_of, unavailable
from core.providers.responses.parts import (
    call_item,
    chat_call,
    chat_choice,
    chat_content,
    chat_part,
    chat_tool,
    input_content,
    response_choice,
    response_format,
    response_tool,
    text_format,
    thought_in,
)

#: called the same, and meaning the same, on both sides
_SAME = (
    *("model", "stream", "temperature", "top_p", "top_logprobs", "parallel_tool_calls"),
    *("metadata", "user", "safety_identifier", "service_tier", "store", "moderation"),
    *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"),
)
_LOGPROBS = "message.output_text.logprobs"
#: what of chat's oldest form, or of its sound, would be lost without a word
_LOST = ("functions", "function_call", "audio")
#: state that lies at OpenAI
_ELSEWHERE = ("previous_response_id", "conversation", "prompt")


def from_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """A Responses request for a chat body; nothing is stored unless the client says so.

    Left out, for Responses refuses them: n, seed, stop, penalties, logit_bias, prediction,
    stream_options. Reasoning in old turns is left out too: OpenAI takes only what it sealed itself.
    """
    _refuse_lost(body)
    request = {"store": False, **picked(body, *_SAME)}
    request["input"] = _items(body["messages"])
    for name in ("max_tokens", "max_completion_tokens"):
        if (limit := body.get(name)) is not None:
            request["max_output_tokens"] = limit
    if effort := body.get("reasoning_effort"):
        request["reasoning"] = {"effort": effort}
    if text := _text(body):
        request["text"] = text
    if body.get("logprobs"):
        request["include"] = [_LOGPROBS]
    return request | _response_tools(body)


def _refuse_lost(given: Mapping[str, Any]) -> None:
    for name in _LOST:
        if given.get(name):
            raise ValueError(f"{name} has no counterpart in Responses")


def _text(body: Mapping[str, Any]) -> dict[str, Any]:
    text = picked(body, "verbosity")
    if wanted := body.get("response_format"):
        text["format"] = text_format(wanted)
    return text


def _response_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    tools = [response_tool(tool) for tool in body.get("tools") or ()]
    if (options := body.get("web_search_options")) is not None:
        tools.append(_web_search(options))
    found: dict[str, Any] = {"tools": tools} if tools else {}
    if (choice := body.get("tool_choice")) is not None:
        found["tool_choice"] = response_choice(choice)
    return found


def _web_search(options: Mapping[str, Any]) -> dict[str, Any]:
    tool = {"type": "web_search", **picked(options, "search_context_size")}
    if place := options.get("user_location"):
        tool["user_location"] = {"type": "approximate", **place["approximate"]}
    return tool


def _items(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    # the answer to a call is named after the kind of the call, which chat's tool messages omit
    custom = {
        call["id"]
        for message in messages
        for call in message.get("tool_calls") or ()
        if call.get("type") == "custom"
    }
    return [item for message in messages for item in _message_items(message, custom)]


def _message_items(message: Mapping[str, Any], custom: set[str]) -> list[dict[str, Any]]:
    match message["role"]:
        case "system" | "developer" | "user" as role:
            return [{"role": role, "content": input_content(message["content"])}]
        case "assistant":
            _refuse_lost(message)
            calls = message.get("tool_calls") or ()
            return [*_spoken(message), *(call_item(call, call["id"]) for call in calls)]
        case "tool":
            call_id = message["tool_call_id"]
            kind = "custom_tool_call" if call_id in custom else "function_call"
            output = input_content(message["content"])
            return [{"type": f"{kind}_output", "call_id": call_id, "output": output}]
    raise ValueError("a message has an unknown role")


def _spoken(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an assistant said, as an item; none where it only called tools."""
    content = message.get("content")
    if refusal := message.get("refusal"):
        said = [{"type": "text", "text": content}] if isinstance(content, str) else content
        parts = [part for part in said or () if part.get("text") != ""]
        content = [*parts, {"type": "refusal", "refusal": refusal}]
    if content is None or (content == "" and message.get("tool_calls")):
        return []
    return [{"role": "assistant", "content": input_content(content, "output_text")}]


def to_chat(request: Mapping[str, Any]) -> dict[str, Any]:
    """A chat body for a Responses request.

    `BadRequest` for hosted tools and for state that lies elsewhere. The limit becomes
    ``max_tokens``: servers that do not know it say so, and `repair` renames it; those that do not
    know ``max_completion_tokens`` ignore it in silence. A stream is asked for its usage, which
    Responses always tells.
    """
    _refuse_elsewhere(request)
    body = picked(request, *_SAME)
    body["messages"] = _messages(request)
    if (limit := request.get("max_output_tokens")) is not None:
        body["max_tokens"] = limit
    if effort := (request.get("reasoning") or {}).get("effort"):
        body["reasoning_effort"] = effort
    text = request.get("text") or {}
    body |= picked(text, "verbosity")
    if wanted := text.get("format"):
        body["response_format"] = response_format(wanted)
    if body.get("stream"):
        body["stream_options"] = {"include_usage": True}
    return _with_chat_tools(_with_logprobs(body, request), request)


def _refuse_elsewhere(request: Mapping[str, Any]) -> None:
    for name in _ELSEWHERE:
        if request.get(name):
            raise unavailable(f"{name} (send the whole conversation as input)", name)
    if request.get("background"):
        raise unavailable("background: true", "background")


def _with_logprobs(body: dict[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    if body.get("top_logprobs") or _LOGPROBS in (request.get("include") or ()):
        return {**body, "logprobs": True}
    body.pop("top_logprobs", None)  # chat takes it beside logprobs only
    return body


def _with_chat_tools(body: dict[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Servers refuse an empty list of tools, and what is said about tools where there are none."""
    choice = request.get("tool_choice")
    tools = [chat_tool(tool) for tool in request.get("tools") or ()]
    if tools:
        body["tools"] = tools
    else:
        body.pop("parallel_tool_calls", None)
    if choice is not None and (tools or choice not in ("auto", "none")):
        body["tool_choice"] = chat_choice(choice)
    return body


def _messages(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if instructions := request.get("instructions"):
        messages.append({"role": "system", "content": text_of(instructions)})
    given = request["input"]
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    thought = ""
    for item in given:
        thought = _add(messages, item, thought)
    return messages


def _add(messages: list[dict[str, Any]], item: Mapping[str, Any], thought: str) -> str:
    """Put one item into the messages; the reasoning that waits for its message is returned."""
    match item.get("type") or "message":
        case "message" if item["role"] == "assistant":
            _think(_say(messages, item["content"]), thought)
        case "message":
            messages.append({"role": _role(item), "content": chat_content(item["content"])})
        case "function_call" | "custom_tool_call":
            turn = _turn(messages)
            turn["tool_calls"] = [*turn.get("tool_calls", ()), chat_call(item)]
            _think(turn, thought)
        case "function_call_output" | "custom_tool_call_output":
            output = chat_content(item["output"])
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": output})
        case "reasoning":
            return _joined(thought, thought_in([item]))
        case "item_reference":
            raise BadRequest("the item_reference in input is not known here", param="input")
        case kind:
            raise unavailable(f"an item {kind} in input", "input")
    return ""


def _role(item: Mapping[str, Any]) -> str:
    if item["role"] not in ("user", "system", "developer"):
        raise ValueError("an item has an unknown role")
    return item["role"]


def _turn(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The assistant's message that goes on, else a new one: a turn's calls stand in one message."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    return messages[-1]


def _say(messages: list[dict[str, Any]], content: Any) -> dict[str, Any]:
    """Words after calls join the calls' message: chat wants the results right after it."""
    message = _assistant(content)
    if messages and messages[-1].get("tool_calls"):
        turn = messages[-1]
        turn["content"] = _joined(turn["content"] or "", message["content"] or "") or None
        return _refusing(turn, message.get("refusal", ""))
    messages.append(message)
    return message


def _assistant(content: Any) -> dict[str, Any]:
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    refusal = "".join(part["refusal"] for part in content if part["type"] == "refusal")
    text = "".join(chat_part(part)["text"] for part in content if part["type"] != "refusal")
    message: dict[str, Any] = {"role": "assistant", "content": text or None if refusal else text}
    return _refusing(message, refusal)


def _refusing(message: dict[str, Any], refusal: str) -> dict[str, Any]:
    if refusal:
        message["refusal"] = _joined(message.get("refusal", ""), refusal)
    return message


def _think(message: dict[str, Any], thought: str) -> None:
    if thought:
        message["reasoning_content"] = _joined(message.get("reasoning_content", ""), thought)


def _joined(first: str, second: str) -> str:
    return "\n\n".join(filter(None, (first, second)))
