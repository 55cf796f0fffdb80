"""What a stream tells on its way through, in whatever pieces it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UpstreamError
from core.providers.silence import Silence
from core.providers.watch import Watch, usage_of
from core.records import Provider, Usage

P = Provider(name="p", base_url="http://x")
WORD = b'data: {"choices":[{"delta":{"content":"a, \\"usage\\":null"}}],"usage":null}\n\n'
SPENT = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}\n\n'
DONE = b"data: [DONE]\n\n"
CHAT = WORD + b": keep-alive\n\n" + WORD + SPENT + DONE
MESSAGES = (
    b'event: message_start\ndata: {"type": "message_start", "message": {"usage":'
    b' {"input_tokens": 2, "cache_read_input_tokens": 1}}}\n\n'
    b'event: message_delta\ndata: {"type": "message_delta", "usage": {"output_tokens": 5}}\n\n'
    b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
)
RESPONSES = (
    b'event: response.completed\ndata: {"type": "response.completed", "response": {"id": "r",'
    b' "usage": {"input_tokens": 3, "output_tokens": 5}}}\n\n'
)


class Arriving:
    """An answer whose body comes in the given pieces."""

    def __init__(self, *pieces):
        self.provider, self.silence = P, Silence(60)
        self._pieces = pieces

    @property
    async def pieces(self):
        for piece in self._pieces:
            yield piece


def cut(whole, places):
    ends = sorted({place % (len(whole) + 1) for place in places} | {len(whole)})
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


async def seen(spoken, *pieces, **more):
    watch, arriving = Watch(spoken, **more), Arriving(*pieces)
    try:
        return watch, b"".join([run async for run in watch.events(arriving)])
    finally:
        arriving.silence.close()


@pytest.mark.parametrize(
    ("spoken", "whole"),
    [("openai-compatible", CHAT), ("anthropic", MESSAGES), ("openai-responses", RESPONSES)],
)
@given(places=st.lists(st.integers(0, 1000), max_size=8))
async def test_bytes_pass_as_they_are_and_tokens_are_counted(spoken, whole, places):
    watch, passed = await seen(spoken, *cut(whole, places))
    assert passed == whole
    assert watch.usage == Usage(tokens_in=3, tokens_out=5)


@given(places=st.lists(st.integers(0, 1000), max_size=8))
async def test_usage_that_nobody_asked_for_is_not_shown(places):
    _, shown = await seen("openai-compatible", *cut(CHAT, places), hides_usage=True)
    word = WORD.replace(b',"usage":null}\n', b"}\n")
    assert shown == word + b": keep-alive\n\n" + word + DONE


@pytest.mark.parametrize(
    ("spoken", "whole", "says"),
    [
        ("openai-compatible", WORD, "before the end"),
        ("openai-compatible", b'{"choices": []}', "no event stream"),
        ("openai-compatible", WORD + b'data: {"error": {"message": "sad"}}\n\n' + DONE, "sad"),
        ("anthropic", MESSAGES.partition(b"event: message_stop")[0], "before the end"),
        ("anthropic", b'data: {"type": "error", "error": {"message": "sad"}}\n\n', "sad"),
        (
            "openai-responses",
            b'data: {"type": "response.failed", "response": {"error": {"message": "sad"}}}\n\n',
            "sad",
        ),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(spoken, whole, says):
    with pytest.raises(UpstreamError, match=says):
        await seen(spoken, whole)


async def test_what_came_before_an_error_passes():
    arriving = Arriving(WORD + b'data: {"error": "sad"}\n\n')
    runs = Watch("openai-compatible").events(arriving)
    assert await anext(runs) == WORD
    with pytest.raises(UpstreamError, match="sad"):
        await anext(runs)
    arriving.silence.close()


async def test_a_final_response_is_heard_before_it_passes():
    found = []
    await seen("openai-responses", RESPONSES, heard=found.append)
    assert [response["id"] for response in found] == ["r"]


def test_usage_of_nothing_is_nothing():
    assert usage_of({"usage": None}) == usage_of({}) == Usage()
    assert usage_of({"usage": {"prompt_tokens": True}}) == Usage()
