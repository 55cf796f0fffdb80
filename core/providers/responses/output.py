"""What answers are made of, in the words of chat completions and of Responses.

Items and messages, token probabilities, citations and usage, both ways. Sources: OpenAI's
references of both APIs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import UpstreamError
from core.ids import new_id
from core.providers.bodies import picked, text_of
from core.providers.responses.parts import call_item, chat_call, thought_in

#: the beginning of an item's id → by its type
_PREFIX = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
#: what an item of a type has before it has words
_EMPTY: Mapping[str, Mapping[str, Any]] = {
    "message": {"status": "in_progress", "role": "assistant"},
    "reasoning": {},
    "function_call": {"status": "in_progress"},
    "custom_tool_call": {"status": "in_progress"},
}
CALLS = ("function_call", "custom_tool_call")


def failure(error: Any) -> UpstreamError:
    """The error that a provider tells of in the middle of an answer."""
    words = error.get("message") or error.get("code") if isinstance(error, dict) else error
    return UpstreamError(f"the provider broke off: {str(words or 'it did not say why')[:500]}")


def new_item(kind: str, **fields: Any) -> dict[str, Any]:
    """An item of the output with an id of its own, in progress."""
    return {"id": f"{_PREFIX[kind]}_{new_id()}", "type": kind, **_EMPTY[kind], **fields}


def end_item(item: dict[str, Any], *, short: bool) -> None:
    """Set its status; reasoning has none."""
    if "status" in item:
        item["status"] = "incomplete" if short else "completed"


def new_call_id() -> str:
    """For servers that give their calls none."""
    return f"call_{new_id()}"


def text_part() -> dict[str, Any]:
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def items_of(message: Mapping[str, Any], logprobs: Mapping[str, Any] | None) -> list[Any]:
    """The output that a chat message makes: reasoning, words, calls; nothing for no words."""
    items: list[Any] = []
    if thought := thought_of(message):
        summary = [{"type": "summary_text", "text": thought}]
        items.append(new_item("reasoning", summary=summary))
    if parts := _parts(message, logprobs):
        items.append(new_item("message", content=parts))
    for call in message.get("tool_calls") or ():
        named = call_item(call, call.get("id") or new_call_id())
        items.append(new_item(named["type"], **named))
    return items


def _parts(message: Mapping[str, Any], logprobs: Mapping[str, Any] | None) -> list[Any]:
    parts: list[Any] = []
    if content := message.get("content"):
        notes = [response_citation(note) for note in message.get("annotations") or ()]
        scores = response_scores(logprobs)
        given = {"text": text_of(content), "annotations": notes, "logprobs": scores}
        parts.append(text_part() | given)
    if refusal := message.get("refusal"):
        parts.append({"type": "refusal", "refusal": text_of(refusal)})
    return parts


def thought_of(message: Mapping[str, Any]) -> str:
    """A chat message's reasoning, or a delta's, under either of the names that servers use."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(thought := message.get(name), str) and thought:
            return thought
    return ""


def message_in(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The chat message that an output makes; the items of hosted tools are left out."""
    items = list(items)
    text, notes = _text_in(items)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if refusal := "\n\n".join(filter(None, (_refusal_in(item) for item in items))):
        message["refusal"] = refusal
    if thought := thought_in(item for item in items if item["type"] == "reasoning"):
        message["reasoning_content"] = thought
    if calls := [chat_call(item) for item in items if item["type"] in CALLS]:
        message["tool_calls"] = calls
    if notes:
        message["annotations"] = notes
    if refusal or calls:
        message["content"] = text or None
    return message


def _parts_in(item: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    if item["type"] != "message":
        return []
    return [part for part in item["content"] if part["type"] == kind]


def _refusal_in(item: Mapping[str, Any]) -> str:
    return "".join(text_of(part["refusal"]) for part in _parts_in(item, "refusal"))


def _text_in(items: Iterable[Mapping[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """The words of all messages, a blank line between two, and where they cite what."""
    text, notes = "", []
    for item in items:
        parts = [part for part in _parts_in(item, "output_text") if part["text"]]
        if text and parts:
            text += "\n\n"
        for part in parts:
            notes += chat_citations(part.get("annotations"), len(text))
            text += text_of(part["text"])
    return text, notes


def chat_citations(notes: Any, start: int) -> list[dict[str, Any]]:
    """Citations of web pages, moved by where their text starts; chat has no others."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                **picked(note, "title", "url"),
                "start_index": note["start_index"] + start,
                "end_index": note["end_index"] + start,
            },
        }
        for note in notes or ()
        if note["type"] == "url_citation"
    ]


def response_citation(note: Mapping[str, Any]) -> dict[str, Any]:
    return {"title": "", **note["url_citation"], "type": "url_citation"}


def scores_in(items: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The token probabilities of an output as chat's ``logprobs``; None without."""
    parts = [part for item in items for part in _parts_in(item, "output_text")]
    return chat_scores(score for part in parts for score in part.get("logprobs") or ())


def chat_scores(scores: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    content = [_score(score, None) for score in scores]
    return {"content": content, "refusal": None} if content else None


def response_scores(logprobs: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Those of the text: Responses has no place for a refusal's."""
    return [_score(score, []) for score in (logprobs or {}).get("content") or ()]


def _score(score: Mapping[str, Any], no_bytes: Any) -> dict[str, Any]:
    """One token; where it has no bytes chat says null, Responses an empty list."""
    found = {"token": score["token"], "logprob": score["logprob"]}
    top = [_alternative(other, no_bytes) for other in score.get("top_logprobs") or ()]
    return {**found, "bytes": score.get("bytes") or no_bytes, "top_logprobs": top}


def _alternative(score: Mapping[str, Any], no_bytes: Any) -> dict[str, Any]:
    found = {"token": score["token"], "logprob": score["logprob"]}
    return {**found, "bytes": score.get("bytes") or no_bytes}


def chat_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    tokens_in, tokens_out = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    found: dict[str, Any] = {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": usage.get("total_tokens") or tokens_in + tokens_out,
    }
    details = usage.get("input_tokens_details") or {}
    if cached := picked(details, "cached_tokens", "cache_write_tokens"):
        found["prompt_tokens_details"] = cached
    if thought := picked(usage.get("output_tokens_details") or {}, "reasoning_tokens"):
        found["completion_tokens_details"] = thought
    return found


def response_usage(usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Null when the provider told nothing; the details always stand in it, as at OpenAI."""
    if not usage:
        return None
    tokens_in = usage.get("prompt_tokens") or 0
    tokens_out = usage.get("completion_tokens") or 0
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": tokens_in,
        "input_tokens_details": {
            "cached_tokens": prompt.get("cached_tokens") or 0,
            "cache_write_tokens": prompt.get("cache_write_tokens") or 0,
        },
        "output_tokens": tokens_out,
        "output_tokens_details": {"reasoning_tokens": completion.get("reasoning_tokens") or 0},
        "total_tokens": usage.get("total_tokens") or tokens_in + tokens_out,
    }
