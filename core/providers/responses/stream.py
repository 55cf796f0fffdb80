"""The events of a Responses answer as chat chunks, and back.

No I/O. What is of an unknown form raises `LookupError`, `TypeError`, `AttributeError` or
`ValueError`; a failure that is told, and a stream that ends before its answer, are an
`UpstreamError`.
"""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from core.errors import UpstreamError
from core.ids import new_id
from core.providers.bodies import picked, text_of
from core.providers.responses.events import Writer
from core.providers.responses.output import (
    CALLS,
    chat_citations,
    chat_scores,
    chat_usage,
    failure,
    message_in,
    scores_in,
)
from core.providers.responses.parts import chat_call
from core.providers.responses.reply import finish_of, refuse_unfinished

#: events that bring words of a message → the field of chat's delta, and what numbers those parts of
#: an item that stand apart
_WORDS = {
    "response.output_text.delta": ("content", ""),
    "response.refusal.delta": ("refusal", ""),
    "response.reasoning_summary_text.delta": ("reasoning_content", "summary_index"),
    "response.reasoning_text.delta": ("reasoning_content", "content_index"),
}
#: type of a call's item → where chat's delta has what the call is given
_CALL = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
#: events that bring it
_GIVEN = {
    "response.function_call_arguments.delta": _CALL["function_call"],
    "response.custom_tool_call_input.delta": _CALL["custom_tool_call"],
}


async def to_chat(
    events: AsyncIterator[dict[str, Any]], model: str = ""
) -> AsyncIterator[dict[str, Any]]:
    """Role, deltas, finish reason, and usage where the provider tells it.

    ``model`` names the model until the provider does: llama.cpp does so at the end.
    """
    reader = _Reader(model)
    async for event in events:
        for chunk in reader.take(event):
            yield chunk
    if not reader.ended:
        raise UpstreamError("the provider ended its stream before the end of the answer")


async def from_chat(
    chunks: AsyncIterator[dict[str, Any]],
    request: Mapping[str, Any],
    model: str,
    done: Callable[[dict[str, Any]], None] | None = None,
) -> AsyncIterator[bytes]:
    """Events as they go over the wire, those of one chunk together.

    ``request`` is what the client asked; ``done`` gets the whole answer before the client does.
    """
    writer = Writer(request, model)
    async for chunk in chunks:
        if error := chunk.get("error"):
            raise failure(error)
        if events := b"".join(writer.take(chunk)):
            yield events
    events = b"".join(writer.close())
    response, last = writer.final()
    if done:
        done(response)
    yield events + last


class _Reader:
    """Reads one answer's events and makes chunks of them."""

    def __init__(self, model: str) -> None:
        self.ended = False
        self._head: dict[str, Any] = {
            "id": f"chatcmpl-{new_id()}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._begun = False
        #: field of the delta → the section of the answer that its last words came from
        self._sections: dict[str, Any] = {}
        #: characters of content so far, and where each part of it starts, for citations
        self._length = 0
        self._starts: dict[Any, int] = {}
        #: ids and places of the items whose words came
        self._heard: set[Any] = set()
        #: id and place of a call's item → its index in chat
        self._calls: dict[Any, int] = {}
        self._count = 0

    def take(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The chunks of one event; what comes after the end is not read."""
        kind = event.get("type")
        if self.ended:
            return
        if kind in _WORDS:
            yield from self._words(event)
        elif kind in _GIVEN:
            yield from self._given(event)
        else:
            yield from self._turn(kind, event)

    def _turn(self, kind: Any, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What is no delta."""
        match kind:
            case "response.created":
                self._name(event["response"])
            case "response.output_item.added" if event["item"]["type"] in CALLS:
                yield from self._begin_call(event)
            case "response.output_text.annotation.added":
                yield from self._cite(event)
            case "response.output_item.done":
                yield from self._end_item(event)
            case "response.completed" | "response.incomplete" | "response.failed":
                yield from self._end(kind.removeprefix("response."), event["response"])
            case "error":
                raise failure(event.get("error") or event)
            case None if event.get("error"):
                raise failure(event["error"])

    def _name(self, response: Mapping[str, Any]) -> None:
        self._head |= picked(response, "id", "model")
        if created := response.get("created_at"):
            self._head["created"] = int(created)

    def _chunks(
        self, delta: Mapping[str, Any], scores: Any = None, finish: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """A chunk of the one choice; before the first, the role."""
        if not self._begun:
            self._begun = True
            yield from self._chunks({"role": "assistant"})
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        if scores:
            choice["logprobs"] = scores
        yield {**self._head, "choices": [choice]}

    def _words(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        self._heard.update(_keys(event))
        field, part = _WORDS[event["type"]]
        section = (event["type"], _place(event), event.get(part))
        words, scores = text_of(event["delta"]), chat_scores(event.get("logprobs") or ())
        yield from self._say(field, words, section, scores)
        if field == "content" and words:
            self._starts.setdefault(_part(event), self._length - len(words))

    def _say(
        self, field: str, words: str, section: Any, scores: Any = None
    ) -> Iterator[dict[str, Any]]:
        """Words of a section; a blank line goes before those of a second one."""
        if not words and not scores:
            return
        if self._sections.setdefault(field, section) != section:
            self._sections[field] = section
            words = f"\n\n{words}"
        if field == "content":
            self._length += len(words)
        yield from self._chunks({field: words}, scores)

    def _cite(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        start = self._starts.get(_part(event), 0)
        if notes := chat_citations([event["annotation"]], start):
            yield from self._chunks({"annotations": notes})

    def _begin_call(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        given = chat_call({"arguments": "", "input": "", **event["item"]})
        if given[given["type"]].get("arguments") or given[given["type"]].get("input"):
            self._heard.update(_keys(event))
        for key in _keys(event):
            self._calls[key] = self._count
        yield from self._chunks({"tool_calls": [{"index": self._count, **given}]})
        self._count += 1

    def _given(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        self._heard.update(_keys(event))
        yield from self._give(_GIVEN[event["type"]], event, event["delta"])

    def _give(
        self, where: tuple[str, str], event: Mapping[str, Any], words: Any
    ) -> Iterator[dict[str, Any]]:
        """Words that the event's call is given."""
        kind, field = where
        index = self._index(event)
        if index is None:
            raise LookupError("something is given to a call that never began")
        if words:
            call = {"index": index, kind: {field: text_of(words)}}
            yield from self._chunks({"tool_calls": [call]})

    def _index(self, event: Mapping[str, Any]) -> int | None:
        """Ids go first: some servers put all items in one place. Others change the ids."""
        return next((self._calls[key] for key in _keys(event) if key in self._calls), None)

    def _end_item(self, event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """An item is taken whole where none of its words came before."""
        item = event["item"]
        keys = _keys(event)
        if any(key in self._heard for key in (None, *keys)):
            return
        if item["type"] in CALLS and self._index(event) is not None:
            where = _CALL[item["type"]]
            yield from self._give(where, event, item[where[1]])
        elif item["type"] in CALLS:
            yield from self._begin_call(event)
        else:
            message = message_in([item])
            for field in ("reasoning_content", "content", "refusal"):
                scores = scores_in([item]) if field == "content" else None
                yield from self._say(field, message.get(field) or "", keys, scores)

    def _end(self, status: str, response: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        response = {**response, "status": response.get("status") or status}
        refuse_unfinished(response)
        if not self._begun:
            for place, item in enumerate(response.get("output") or ()):
                yield from self._end_item({"item": item, "output_index": place})
        self._name(response)
        self._head |= picked(response, "service_tier")
        yield from self._chunks({}, finish=finish_of(response, called=self._count > 0))
        if usage := response.get("usage"):
            yield {**self._head, "choices": [], "usage": chat_usage(usage)}
        self.ended = True


def _place(event: Mapping[str, Any]) -> Any:
    """Where an item stands in the output; its id at servers that do not say."""
    place = event.get("output_index")
    return event.get("item_id") if place is None else place


def _part(event: Mapping[str, Any]) -> Any:
    return _place(event), event.get("content_index")


def _keys(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """By what an item is known: its id, its place; None where the server tells neither."""
    name = event.get("item_id") or (event.get("item") or {}).get("id")
    keys = tuple(key for key in (name, event.get("output_index")) if key is not None)
    return keys or (None,)
