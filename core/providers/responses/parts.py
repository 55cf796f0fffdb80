"""What chat bodies and Responses requests are made of, in the words of either.

Content, tools, the choice of a tool, calls and formats, both ways. Sources: OpenAI's references of
chat completions and of Responses. A chat part of an unknown kind is a `ValueError`: the caller
says whose format it does not fit. What a Responses client asks and chat cannot hold is a
`BadRequest` that names it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from core.providers.bodies import picked, text_of, unavailable


def input_content(content: Any, text_type: str = "input_text") -> Any:
    """A chat message's content as an item's: a text stays one, parts become parts."""
    if isinstance(content, str):
        return content
    return [_input_part(part, text_type) for part in content]


def _input_part(part: Mapping[str, Any], text_type: str) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(text)}:
            found: dict[str, Any] = {"type": text_type, "text": text}
        case {"type": "refusal", "refusal": str(refusal)}:
            found = {"type": "refusal", "refusal": refusal}
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            found = {"type": "input_image", "image_url": url, **picked(image, "detail")}
        case {"type": "file", "file": {**file}}:
            found = {"type": "input_file", **picked(file, "file_data", "file_id", "filename")}
        case {"type": "input_audio", "input_audio": audio}:
            found = {"type": "input_audio", "input_audio": audio}
        case _:
            raise ValueError("a part of a message is of an unknown kind")
    return found | picked(part, "prompt_cache_breakpoint")


def chat_content(content: Any) -> Any:
    """An item's content as a chat message's; a lone text is a string, which all servers take."""
    if isinstance(content, str):
        return content
    parts = [chat_part(part) for part in content]
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def chat_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """One part of an item as a chat part; `BadRequest` for what chat can only take inline."""
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            found: dict[str, Any] = {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)}:
            found = {"type": "image_url", "image_url": {"url": url, **picked(part, "detail")}}
        case {"type": "input_image"}:
            raise unavailable("an image by file_id (send a URL or a data URL)", "input")
        case {"type": "input_file", "file_url": str()}:
            raise unavailable("a file by file_url (send its file_data)", "input")
        case {"type": "input_file"}:
            found = {"type": "file", "file": picked(part, "file_data", "file_id", "filename")}
        case {"type": "input_audio", "input_audio": audio}:
            found = {"type": "input_audio", "input_audio": audio}
        case _:
            raise ValueError("a part of the input is of an unknown kind")
    return found | picked(part, "prompt_cache_breakpoint")


def response_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A chat tool, flat; ``strict`` is written out, for its default differs: chat's is false."""
    match tool:
        case {"type": "function", "function": {"name": str()} as function}:
            strict = bool(function.get("strict"))
            return {"parameters": None, **function, "type": "function", "strict": strict}
        case {"type": "custom", "custom": {"name": str()} as custom}:
            return {**custom, "type": "custom", **_flat_grammar(custom.get("format"))}
    raise ValueError("a tool is neither a function nor a custom tool")


def chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A Responses tool, nested; `BadRequest` names a hosted one.

    ``strict`` goes on only when the client wrote true: Responses takes a schema that is not fit
    for it without complaint, chat refuses one.
    """
    kind = tool["type"]
    if kind not in ("function", "custom"):
        raise unavailable(f"the tool {kind}", "tools")
    found = {"name": tool["name"], **picked(tool, "description")}
    if kind == "custom":
        return {"type": kind, kind: found | _nested_grammar(tool.get("format"))}
    strict = {"strict": True} if tool.get("strict") else {}
    return {"type": kind, kind: found | picked(tool, "parameters") | strict}


def _flat_grammar(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {}
    return {"format": {**(given.get("grammar") or {}), "type": given["type"]}}


def _nested_grammar(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {}
    if given["type"] != "grammar":
        return {"format": {"type": given["type"]}}
    return {"format": {"type": "grammar", "grammar": picked(given, "definition", "syntax")}}


def response_choice(choice: Any) -> Any:
    """A chat ``tool_choice``, flat."""
    match choice:
        case str():
            return choice
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}:
            allowed = [response_choice(tool) for tool in tools]
            return {"type": "allowed_tools", "mode": mode, "tools": allowed}
        case {"type": "function" | "custom" as kind}:
            return {"type": kind, "name": choice[kind]["name"]}
    raise ValueError("tool_choice is of an unknown kind")


def chat_choice(choice: Any) -> Any:
    """A Responses ``tool_choice``, nested; `BadRequest` names a hosted tool."""
    match choice:
        case str():
            return choice
        case {"type": "allowed_tools", "mode": mode, "tools": tools}:
            allowed = {"mode": mode, "tools": [chat_choice(tool) for tool in tools]}
            return {"type": "allowed_tools", "allowed_tools": allowed}
        case {"type": "function" | "custom" as kind, "name": name}:
            return {"type": kind, kind: {"name": name}}
    raise unavailable(f"the tool {choice['type']}", "tool_choice")


def text_format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A chat ``response_format`` as ``text.format``: the schema's fields lie flat."""
    return {**(wanted.get("json_schema") or {}), "type": wanted["type"]}


def response_format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A ``text.format`` as chat's ``response_format``."""
    kind = wanted["type"]
    if kind != "json_schema":
        return {"type": kind}
    return {"type": kind, kind: picked(wanted, "name", "description", "schema", "strict")}


def call_item(call: Mapping[str, Any], call_id: str) -> dict[str, Any]:
    """A chat tool call as an item."""
    if call.get("type") == "custom":
        custom = call["custom"]
        named = {"call_id": call_id, "name": custom["name"]}
        return {"type": "custom_tool_call", **named, "input": text_of(custom["input"])}
    function = call["function"]
    named = {"call_id": call_id, "name": function["name"]}
    arguments = text_of(function.get("arguments") or "{}")
    return {"type": "function_call", **named, "arguments": arguments}


def chat_call(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item that is a call as a chat tool call."""
    name = item["name"]
    if item["type"] == "custom_tool_call":
        custom = {"name": name, "input": text_of(item["input"])}
        return {"id": item["call_id"], "type": "custom", "custom": custom}
    function = {"name": name, "arguments": text_of(item["arguments"])}
    return {"id": item["call_id"], "type": "function", "function": function}


def thought_in(items: Iterable[Mapping[str, Any]]) -> str:
    """The text of reasoning items: their own words, then their summaries; empty without."""
    parts = [
        text_of(part["text"])
        for item in items
        for part in [*(item.get("content") or ()), *(item.get("summary") or ())]
    ]
    return "\n\n".join(filter(None, parts))
