"""Chat chunks as the events of one Responses answer.

Words and reasoning end when something else begins, as at OpenAI. Calls stay open to the end: chat
may send the arguments of parallel calls in turns.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import UpstreamError
from core.providers.bodies import text_of
from core.providers.responses.output import (
    end_item,
    new_call_id,
    new_item,
    response_citation,
    response_scores,
    text_part,
    thought_of,
)
from core.providers.responses.reply import begun, finished, is_short
from core.providers.sse import event


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How the events call one kind of words."""

    #: type of the item they stand in
    item: str
    #: stem of the events that bring them
    words: str
    #: what holds all of them, in the end
    field: str
    #: makes an empty part, and where parts stand; none for calls: their words are no part
    new_part: Callable[[], dict[str, Any]] | None = None
    parts: str = ""
    #: stem of the events of a part, and what says which part it is
    part: str = ""
    index: str = ""
    #: where chat's delta has them
    call: str = ""


_TEXT = _Kind(
    item="message",
    words="output_text",
    field="text",
    new_part=text_part,
    parts="content",
    part="content_part",
    index="content_index",
)
_REFUSAL = _Kind(
    item="message",
    words="refusal",
    field="refusal",
    new_part=lambda: {"type": "refusal", "refusal": ""},
    parts="content",
    part="content_part",
    index="content_index",
)
_THOUGHT = _Kind(
    item="reasoning",
    words="reasoning_summary_text",
    field="text",
    new_part=lambda: {"type": "summary_text", "text": ""},
    parts="summary",
    part="reasoning_summary_part",
    index="summary_index",
)
_FUNCTION = _Kind(
    item="function_call", words="function_call_arguments", field="arguments", call="function"
)
_CUSTOM = _Kind(
    item="custom_tool_call", words="custom_tool_call_input", field="input", call="custom"
)


class _Run:
    """Words that grow: a part of an item, or what a call is given."""

    def __init__(self, kind: _Kind, item: dict[str, Any], output_index: int) -> None:
        self.kind, self.item, self.output_index = kind, item, output_index
        #: what holds the words
        self.holder = item
        self.place = {"item_id": item["id"], "output_index": output_index}
        if kind.new_part:
            self.holder = kind.new_part()
            self.place[kind.index] = len(item[kind.parts])
            item[kind.parts].append(self.holder)
        self.pieces: list[str] = []


class Writer:
    """Writes one answer's events and keeps what its final object needs."""

    def __init__(self, request: Mapping[str, Any], model: str) -> None:
        self._request, self._model = request, model
        self._response: dict[str, Any] | None = None
        self._number = 0
        self._output: list[dict[str, Any]] = []
        #: the words, or the reasoning, that may go on
        self._open: _Run | None = None
        self._runs: list[_Run] = []
        #: chat's index of a call → the call that it means now
        self._calls: dict[int | None, _Run] = {}
        self._reason: str | None = None
        #: what chunks say beside their delta: usage, tier
        self._told: dict[str, Any] = {}

    def take(self, chunk: Mapping[str, Any]) -> Iterator[bytes]:
        """The events of one chunk; before those of the first, the answer's begin."""
        if self._response is None:
            model = self._model or chunk.get("model") or ""
            self._response = begun(self._request, model, chunk.get("created"))
            for name in ("created", "in_progress"):
                yield self._event(name, response=self._response)
        for name in ("usage", "service_tier"):
            if found := chunk.get(name):
                self._told[name] = found
        for choice in chunk.get("choices") or ():
            if not choice.get("index"):
                self._reason = choice.get("finish_reason") or self._reason
                yield from self._delta(choice.get("delta") or {}, choice.get("logprobs"))

    def _event(self, suffix: str, /, **fields: Any) -> bytes:
        name = f"response.{suffix}"
        written = event({"type": name, "sequence_number": self._number, **fields}, name)
        self._number += 1
        return written

    def _delta(self, delta: Mapping[str, Any], logprobs: Any) -> Iterator[bytes]:
        scores = response_scores(logprobs)
        if thought := thought_of(delta):
            yield from self._say(_THOUGHT, thought)
        if (words := delta.get("content")) or scores:
            yield from self._say(_TEXT, text_of(words or ""), scores)
        if refusal := delta.get("refusal"):
            yield from self._say(_REFUSAL, text_of(refusal))
        for note in delta.get("annotations") or ():
            yield from self._cite(note)
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)

    def _say(self, kind: _Kind, words: str, scores: Any = ()) -> Iterator[bytes]:
        run = yield from self._run(kind)
        run.pieces.append(words)
        more = {}
        if kind is _TEXT:
            run.holder["logprobs"] += scores
            more = {"logprobs": scores}
        yield self._event(f"{kind.words}.delta", **run.place, delta=words, **more)

    def _run(self, kind: _Kind) -> Generator[bytes, None, _Run]:
        """The open words of this kind; else new ones, where it fits in the open item."""
        last = self._open
        if last and last.kind is kind:
            return last
        if last and last.kind.item == kind.item:
            yield from self._end_words(last)
            run = _Run(kind, last.item, last.output_index)
        else:
            yield from self._end_open()
            item = new_item(kind.item, **{kind.parts: []})
            yield from self._add(item)
            run = _Run(kind, item, len(self._output) - 1)
        yield self._event(f"{kind.part}.added", **run.place, part=run.holder)
        self._open = run
        return run

    def _add(self, item: dict[str, Any]) -> Iterator[bytes]:
        self._output.append(item)
        yield self._event("output_item.added", output_index=len(self._output) - 1, item=item)

    def _cite(self, note: Mapping[str, Any]) -> Iterator[bytes]:
        if (run := self._open) is None or run.kind is not _TEXT:
            return
        notes = run.holder["annotations"]
        found = response_citation(note)
        place = {**run.place, "annotation_index": len(notes)}
        notes.append(found)
        yield self._event("output_text.annotation.added", **place, annotation=found)

    def _call(self, given: Mapping[str, Any]) -> Iterator[bytes]:
        kind = _CUSTOM if "custom" in (given.get("type"), *given) else _FUNCTION
        delta = given.get(kind.call) or {}
        run = self._calls.get(given.get("index"))
        if run is None or _is_other(run, given, delta.get("name")):
            yield from self._end_open()
            named = {"call_id": given.get("id") or new_call_id(), "name": text_of(delta["name"])}
            item = new_item(kind.item, **named, **{kind.field: ""})
            yield from self._add(item)
            run = _Run(kind, item, len(self._output) - 1)
            self._calls[given.get("index")] = run
            self._runs.append(run)
        if words := delta.get(kind.field):
            run.pieces.append(text_of(words))
            yield self._event(f"{kind.words}.delta", **run.place, delta=words)

    def _end_open(self) -> Iterator[bytes]:
        if self._open:
            yield from self._end(self._open, short=False)
            self._open = None

    def _end(self, run: _Run, *, short: bool) -> Iterator[bytes]:
        yield from self._end_words(run)
        end_item(run.item, short=short)
        yield self._event("output_item.done", output_index=run.output_index, item=run.item)

    def _end_words(self, run: _Run) -> Iterator[bytes]:
        kind, holder = run.kind, run.holder
        if kind is _FUNCTION and not run.pieces:
            run.pieces.append("{}")
            yield self._event(f"{kind.words}.delta", **run.place, delta="{}")
        holder[kind.field] = words = "".join(run.pieces)
        more = {} if kind is not _FUNCTION else {"name": holder["name"]}
        if kind is _TEXT:
            more = {"logprobs": holder["logprobs"]}
        yield self._event(f"{kind.words}.done", **run.place, **{kind.field: words}, **more)
        if kind.part:
            yield self._event(f"{kind.part}.done", **run.place, part=holder)

    def close(self) -> Iterator[bytes]:
        """The end of all that is open. `UpstreamError` when chat did not say why it ended."""
        if self._reason is None:
            raise UpstreamError("the provider ended its stream before the end of the answer")
        runs = [*self._runs, *([self._open] if self._open else ())]
        for run in sorted(runs, key=lambda run: run.output_index):
            short = is_short(self._reason) and run.item is self._output[-1]
            yield from self._end(run, short=short)

    def final(self) -> tuple[dict[str, Any], bytes]:
        """The whole answer, once closed, and the event that brings it."""
        response = finished(self._response or {}, self._output, self._reason, self._told)
        return response, self._event(response["status"], response=response)


def _is_other(run: _Run, given: Mapping[str, Any], name: Any) -> bool:
    """Some servers give all their calls one index, or none: then a name begins another call."""
    if not name:
        return False
    return given.get("index") is None or (given.get("id") or "") not in ("", run.item["call_id"])
