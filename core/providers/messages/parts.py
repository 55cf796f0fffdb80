"""What chat bodies and Messages requests are made of, in the words of either.

Content, tools, the choice of a tool, calls and thinking, both ways. Sources: OpenAI's reference
of chat completions and Anthropic's of Messages. A chat part of an unknown kind is a `ValueError`:
the caller says whose format it does not fit. What a Messages client asks and chat cannot hold is
a `BadRequest` that names it.

Two things chat has no word for travel as extra fields: ``cache_control`` on parts, and
``thinking_blocks`` on an assistant's message, which keeps what Anthropic signed.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from core.providers.bodies import picked, text_of, unavailable

_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


def blocks_of(content: Any) -> list[dict[str, Any]]:
    """A chat message's content as blocks; blank texts are left out: Anthropic refuses them."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks = [_block(part) for part in parts]
    return [block for block in blocks if block["type"] != "text" or block["text"].strip()]


def _block(part: Mapping[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            found: dict[str, Any] = {"type": "text", "text": text}
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            found = {"type": "image", "source": _image_source(url)}
        case {"type": "file", "file": {"file_data": str(data)} as file}:
            found = {"type": "document", "source": _document_source(data)}
            if name := file.get("filename"):
                found["title"] = text_of(name)
        case _:
            raise ValueError("a part of a message is of an unknown kind")
    return found | picked(part, "cache_control")


def _image_source(url: str) -> dict[str, Any]:
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    media, data = _data_url(url)
    return {"type": "base64", "media_type": media, "data": data}


def _document_source(url: str) -> dict[str, Any]:
    media, data = _data_url(url)
    if media == "application/pdf":
        return {"type": "base64", "media_type": media, "data": data}
    if media.startswith("text/"):
        text = base64.b64decode(data, validate=True).decode()
        return {"type": "text", "media_type": "text/plain", "data": text}
    raise ValueError("a file is neither a PDF nor text")


def _data_url(url: str) -> tuple[str, str]:
    """Media type and base64 data."""
    head, mark, data = url.partition(";base64,")
    if not mark or not head.startswith("data:"):
        raise ValueError("an image or a file is no data URL in base64")
    return head.removeprefix("data:").partition(";")[0], data


def content_of(parts: list[dict[str, Any]]) -> Any:
    """Parts or blocks as content; a lone text is a string, which all servers take."""
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def chat_parts(content: Any) -> list[dict[str, Any]]:
    """A message's content as chat parts."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [chat_part(block) for block in content]


def chat_part(block: Mapping[str, Any]) -> dict[str, Any]:
    """One block as a chat part; `BadRequest` for what chat cannot hold."""
    match block:
        case {"type": "text", "text": str(text)}:
            found: dict[str, Any] = {"type": "text", "text": text}
        case {"type": "image", "source": {**source}}:
            found = {"type": "image_url", "image_url": {"url": _image_url(source)}}
        case {"type": "document", "source": {**source}}:
            found = {"type": "file", "file": {"file_data": _file_data(source)}}
            if title := block.get("title"):
                found["file"]["filename"] = text_of(title)
        case {"type": "text" | "image" | "document" as kind}:
            raise ValueError(f"a block {kind} is incomplete")
        case _:
            raise unavailable(f"a block {text_of(block['type'])} in a message", "messages")
    return found | picked(block, "cache_control")


def _image_url(source: Mapping[str, Any]) -> str:
    match source:
        case {"type": "base64", "media_type": str(media), "data": str(data)}:
            return f"data:{media};base64,{data}"
        case {"type": "url", "url": str(url)}:
            return url
        case {"type": "file"}:
            raise unavailable("an image by file_id (send its data or a URL)", "messages")
    raise ValueError("an image's source is of an unknown kind")


def _file_data(source: Mapping[str, Any]) -> str:
    match source:
        case {"type": "base64", "media_type": str(media), "data": str(data)}:
            return f"data:{media};base64,{data}"
        case {"type": "text", "data": str(text)}:
            return f"data:text/plain;base64,{base64.b64encode(text.encode()).decode()}"
        case {"type": "url" | "file" | "content" as kind}:
            raise unavailable(f"a document by {kind} (send its data)", "messages")
    raise ValueError("a document's source is of an unknown kind")


def message_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A chat tool, flat; a schema is required here, and that it be an object's."""
    match tool:
        case {"type": "function", "function": {"name": str(name)} as function}:
            schema = {"type": "object", **(function.get("parameters") or {"properties": {}})}
            found = {"name": name, **picked(function, "description"), "input_schema": schema}
            return found | ({"strict": True} if function.get("strict") else {})
    raise ValueError("a tool is no function")


def chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A Messages tool, nested; `BadRequest` names one that Anthropic runs or defines itself."""
    kind = tool.get("type") or "custom"
    if kind != "custom":
        raise unavailable(f"the tool {text_of(kind)}", "tools")
    function = {"name": text_of(tool["name"]), **picked(tool, "description")}
    function["parameters"] = {**tool["input_schema"]}
    strict = {"strict": True} if tool.get("strict") else {}
    return {"type": "function", "function": function | strict}


def message_choice(choice: Any, parallel: bool | None) -> dict[str, Any]:
    """A chat ``tool_choice`` and ``parallel_tool_calls``, which are one field here."""
    match choice:
        case None | "auto":
            found: dict[str, Any] = {"type": "auto"}
        case "required":
            found = {"type": "any"}
        case "none":
            return {"type": "none"}
        case {"type": "function", "function": {"name": str(name)}}:
            found = {"type": "tool", "name": name}
        case _:
            raise ValueError("tool_choice is of an unknown kind")
    return found | ({"disable_parallel_tool_use": True} if parallel is False else {})


def chat_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A Messages ``tool_choice`` as the two fields that chat has for it."""
    match choice:
        case {"type": "auto" | "none" as kind}:
            found: dict[str, Any] = {"tool_choice": kind}
        case {"type": "any"}:
            found = {"tool_choice": "required"}
        case {"type": "tool", "name": str(name)}:
            found = {"tool_choice": {"type": "function", "function": {"name": name}}}
        case _:
            raise ValueError("tool_choice is of an unknown kind")
    return found | (
        {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else {}
    )


def tool_use(call: Mapping[str, Any], call_id: str) -> dict[str, Any]:
    """A chat tool call as a block; `ValueError` when its arguments are no JSON object."""
    function = call["function"]
    named = {"type": "tool_use", "id": call_id, "name": text_of(function["name"])}
    match orjson.loads(text_of(function.get("arguments") or "{}")):
        case {**arguments}:
            return {**named, "input": arguments}
    raise ValueError("the arguments of a tool call are no object")


def chat_call(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block that is a call as a chat tool call."""
    arguments = orjson.dumps({**block["input"]}).decode()
    function = {"name": text_of(block["name"]), "arguments": arguments}
    return {"id": text_of(block["id"]), "type": "function", "function": function}


def safe_id(call_id: Any) -> str:
    """A call's id in the letters Anthropic allows; other servers' ids hold dots and colons."""
    if found := _FOREIGN.sub("_", text_of(call_id)):
        return found
    raise ValueError("a tool call has no id")


def sealed(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those thinking blocks that Anthropic takes back: the signed and the redacted ones."""
    found: list[dict[str, Any]] = []
    for block in blocks:
        match block:
            case {"type": "thinking", "thinking": str(text)}:
                if signature := block.get("signature"):
                    signed = {"thinking": text, "signature": text_of(signature)}
                    found.append({"type": "thinking", **signed})
            case {"type": "redacted_thinking", "data": str(data)}:
                found.append({"type": "redacted_thinking", "data": data})
            case _:
                raise ValueError("a block of thinking is of an unknown kind")
    return found


def thought_in(blocks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What a chat message says of an assistant's thinking: the text, and the sealed blocks."""
    thinking = [b for b in blocks if b["type"] in ("thinking", "redacted_thinking")]
    text = "".join(text_of(b["thinking"]) for b in thinking if b["type"] == "thinking")
    found: dict[str, Any] = {"reasoning_content": text} if text else {}
    if kept := sealed(thinking):
        found["thinking_blocks"] = kept
    return found


def reasoning_of(said: Mapping[str, Any]) -> str:
    """The reasoning that a chat message or delta tells, under either of its names."""
    return text_of(said.get("reasoning_content") or said.get("reasoning") or "")
