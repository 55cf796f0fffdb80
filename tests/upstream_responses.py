"""OpenAI's Responses as a scripted provider speaks it."""

import itertools
from typing import Any

from tests.upstream_formats import Format, Frames, event, halves, refuse_unless
from tests.upstream_model import Asked, Said, text_of

_RESPONSES_FIELDS = {
    *("model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "stream"),
    *(
        "stream_options",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "store",
    ),
    *("metadata", "user", "include", "truncation", "service_tier", "safety_identifier"),
    *("prompt_cache_key", "top_logprobs"),
}


#: as real ids, none comes twice
_numbers = itertools.count(1)


def read_responses(body):
    for name in body:
        refuse_unless(name in _RESPONSES_FIELDS, f"Unknown parameter: '{name}'")
    asked = Asked(system=body.get("instructions") or "", limit=body.get("max_output_tokens") or 0)
    items, known = body["input"], set()
    for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
        match item.get("type", "message"):
            case "message":
                read_item(asked, item)
            case "function_call":
                known.add(item["call_id"])
                asked.called.append(item["name"])
            case "function_call_output":
                refuse_unless(item["call_id"] in known, "no tool call found for that output")
                asked.answer(item["output"])
    asked.tools = {tool["name"]: tool.get("parameters") or {} for tool in body.get("tools") or ()}
    choice = body.get("tool_choice") or "auto"
    asked.choice = choice if isinstance(choice, str) else choice["name"]
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("type", "text") != "text":
        asked.schema = wanted.get("schema", {})
    return asked


def read_item(asked, item):
    role, content = item["role"], item["content"]
    for part in content if isinstance(content, list) else ():
        fine = part["type"].startswith("output_" if role == "assistant" else "input_")
        refuse_unless(fine, f"Invalid value: '{part['type']}' in a message of the {role}")
    if role in ("system", "developer"):
        asked.system = text_of(content)
    elif role == "user":
        asked.ask(content)


def output(said):
    items: list[dict[str, Any]] = []
    if said.thinking:
        summary = [{"type": "summary_text", "text": said.thinking}]
        items.append({"type": "reasoning", "id": f"rs_{next(_numbers)}", "summary": summary})
    if said.text:
        part = {"type": "output_text", "text": said.text, "annotations": []}
        message = {
            "type": "message",
            "id": f"msg_{next(_numbers)}",
            "status": "completed",
            "role": "assistant",
        }
        items.append({**message, "content": [part]})
    calls = [{"type": "function_call", "id": f"fc_{i}", "call_id": i, "name": name,
              "arguments": arguments, "status": "completed"}
             for i, name, arguments in said.calls]  # fmt: skip
    return items + calls


def responses_whole(model, said, body):
    reason = {"reason": "max_output_tokens"} if said.cut else None
    usage = {"input_tokens": 7, "output_tokens": said.tokens, "total_tokens": 7 + said.tokens}
    details = {"input_tokens_details": {"cached_tokens": 0},
               "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    return {
        "id": f"resp_{next(_numbers)}",
        "object": "response",
        "created_at": 1,
        "model": model,
        "error": None,
        "status": "incomplete" if said.cut else "completed",
        "incomplete_details": reason,
        "output": output(said),
        "usage": {**usage, **details},
        "parallel_tool_calls": True,
        "tools": body.get("tools") or [],
        "tool_choice": body.get("tool_choice") or "auto",
        "instructions": body.get("instructions"),
        "metadata": {},
        "text": body.get("text"),
    }


def responses_frames(model, said, body):
    whole = responses_whole(model, said, body)
    opening = {**whole, "status": "in_progress", "output": [], "usage": None}
    before = [("response.created", {"response": opening}),
              ("response.in_progress", {"response": opening})]  # fmt: skip
    pieces = [found for index, item in enumerate(whole["output"]) for found in growth(index, item)]
    end = ("response.incomplete" if said.cut else "response.completed", {"response": whole})
    failure = event("error", code="server_error", message="scripted failure", param=None,
                    sequence_number=len(before) + len(pieces))  # fmt: skip
    numbered = [event(kind, sequence_number=number, **more)
                for number, (kind, more) in enumerate([*before, *pieces, end])]  # fmt: skip
    return Frames(numbered[:2], numbered[2:-1], numbered[-1:], failure, heard=4)


def growth(index, item):
    """The events by which one item of the output comes to be."""
    where = {"output_index": index, "item_id": item["id"]}
    empty = {"message": {"content": []}, "function_call": {"arguments": ""}}.get(item["type"], {})
    bare = {**item, **empty, "status": "in_progress"}
    yield "response.output_item.added", {"output_index": index, "item": bare}
    if item["type"] == "message":
        part, at = item["content"][0], {**where, "content_index": 0}
        yield "response.content_part.added", {**at, "part": {**part, "text": ""}}
        for piece in Said(text=part["text"]).pieces:
            yield "response.output_text.delta", {**at, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {**at, "text": part["text"], "logprobs": []}
        yield "response.content_part.done", {**at, "part": part}
    elif item["type"] == "reasoning":
        at = {**where, "summary_index": 0}
        text = item["summary"][0]["text"]
        yield "response.reasoning_summary_text.delta", {**at, "delta": text}
        yield "response.reasoning_summary_text.done", {**at, "text": text}
    else:
        for part in halves(item["arguments"]):
            yield "response.function_call_arguments.delta", {**where, "delta": part}
        done = {**where, "name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", done
    yield "response.output_item.done", {"output_index": index, "item": item}


RESPONSES = Format(read_responses, responses_whole, responses_frames)
