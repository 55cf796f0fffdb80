"""What an answer tells on its way through: its tokens, its end, its failure.

The bytes of a stream pass as they come; only events that must be understood are parsed.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from core.errors import UpstreamError
from core.providers import sse
from core.providers.http import Incoming, translated
from core.records import Provider, ProviderType, Usage

#: how a line of an event stream may begin; cut short, for the first piece may be
_FIELDS = (b"da", b"ev", b"id", b"re", b":")
#: what stands in the last event; a line break within JSON is escaped, so these are none of its text
_END: Mapping[ProviderType, tuple[bytes, ...]] = {
    "openai-compatible": (b"\ndata: [DONE]", b"\ndata:[DONE]"),
    "anthropic": (b'"message_stop"',),
    "openai-responses": (b'"response.completed"', b'"response.incomplete"', b'"response.failed"'),
}
#: what stands in events that tell of tokens
_TELLS: Mapping[ProviderType, tuple[bytes, ...]] = {
    "openai-compatible": (b'"usage":{', b'"usage": {'),
    "anthropic": (b'"message_start"', b'"message_delta"'),
    "openai-responses": _END["openai-responses"],
}
#: a quote within JSON's texts is escaped, so this is none of them
_NO_USAGE = re.compile(rb',\s?"usage":\s?null')


class Watch:
    """Watches one stream that speaks ``spoken``."""

    def __init__(
        self,
        spoken: ProviderType,
        heard: Callable[[dict[str, Any]], None] | None = None,
        *,
        hides_usage: bool = False,
    ) -> None:
        """``heard`` is told of a Responses stream's final object before it passes;
        ``hides_usage``: the client of a chat stream did not ask for what we did ask for."""
        self._end, self._tells = _END[spoken], _TELLS[spoken]
        self._heard, self._hides_usage = heard, hides_usage
        self._begun = self._ended = False
        self.usage = Usage()

    async def events(self, incoming: Incoming) -> AsyncIterator[bytes]:
        """Runs of whole events. `UpstreamError` when it is no event stream, tells of an error, or
        ends without its end.

        One generator, for each that is nested costs as much as all that is done with a piece.
        """
        provider, silence = incoming.provider, incoming.silence
        whole = sse.Whole()
        with translated(provider, silence):
            silence.begins()
            async for piece in incoming.pieces:
                silence.ends()
                if run := whole.add(piece):
                    if b'"error"' in run and (good := self._before_error(run)) is not None:
                        if good:
                            yield good
                        raise self._failure(provider, run[len(good) :])
                    if shown := self._seen(provider, run):
                        yield shown
                silence.begins()
            silence.ends()
        if whole.rest and (shown := self._seen(provider, whole.rest)):
            yield shown
        if not self._ended:
            raise UpstreamError(f"{provider.name} ended its stream before the end of the answer")

    def _seen(self, provider: Provider, run: bytes) -> bytes:
        """What of a run is shown; the rest is noted."""
        if not self._begun and not run.lstrip().startswith(_FIELDS):
            raise UpstreamError(f"{provider.name} answered something that is no event stream")
        self._begun = True
        if not self._ended:
            line = b"\n" + run
            self._ended = any(mark in line for mark in self._end)
        told = any(mark in run for mark in self._tells)
        if told:
            self._listen(run)
        if not self._hides_usage or b'"usage"' not in run:
            return run
        if told:
            run = b"".join(event for event in sse.split(run) if not _is_usage(event))
        return _NO_USAGE.sub(b"", run)

    def _before_error(self, run: bytes) -> bytes | None:
        """What comes before the first event that is an error; None when there is no such event."""
        good = b""
        for event in sse.split(run):
            if any(_is_error(found) for found in sse.data_of(event)):
                return good
            good += event
        return None

    def _failure(self, provider: Provider, events: bytes) -> UpstreamError:
        found = next(iter(sse.data_of(events)), {})
        error = found.get("error") or found.get("response", {}).get("error") or found
        words = error.get("message") if isinstance(error, dict) else error
        return UpstreamError(f"{provider.name} broke off: {str(words)[:500]}")

    def _listen(self, run: bytes) -> None:
        for found in sse.data_of(run):
            inner = found.get("message") or found.get("response")
            told = inner if isinstance(inner, dict) else found
            self.usage = joined(self.usage, usage_of(told))
            if self._heard and isinstance(final := found.get("response"), dict):
                self._heard(final)


def _is_error(found: Mapping[str, Any]) -> bool:
    return bool(found.get("error")) or found.get("type") in ("error", "response.failed")


def usage_of(found: Mapping[str, Any]) -> Usage:
    """The tokens that an answer, or an event, of any of the three formats tells of."""
    usage = found.get("usage")
    if not isinstance(usage, dict):
        return Usage()
    tokens_in = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
    if tokens_in is not None:  # Anthropic counts what was in its cache beside it
        tokens_in += _count(usage.get("cache_read_input_tokens")) or 0
        tokens_in += _count(usage.get("cache_creation_input_tokens")) or 0
    tokens_out = _count(usage.get("completion_tokens", usage.get("output_tokens")))
    return Usage(tokens_in=tokens_in, tokens_out=tokens_out)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def joined(earlier: Usage, later: Usage) -> Usage:
    """What the later one tells, and the earlier where it is silent."""
    return Usage(
        tokens_in=earlier.tokens_in if later.tokens_in is None else later.tokens_in,
        tokens_out=earlier.tokens_out if later.tokens_out is None else later.tokens_out,
    )


def _is_usage(event: bytes) -> bool:
    """The chunk that was made for the usage alone."""
    return any(chunk.get("usage") and chunk.get("choices") == [] for chunk in sse.data_of(event))
