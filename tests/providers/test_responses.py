"""What holds for any conversation and any answer; single mappings have their own modules."""

import asyncio
from itertools import zip_longest

import orjson
from hypothesis import given
from hypothesis import strategies as st

from core.providers.responses import reply as responses_reply
from core.providers.responses import request as responses_request
from core.providers.responses import stream as responses_stream

REQUEST = {"model": "m", "input": "hi", "temperature": 0.5, "store": False}
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 4},
}

words = st.text(min_size=1, max_size=12)
maybe = st.none() | words
inputs = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": words}),
    st.fixed_dictionaries(
        {
            "type": st.just("image_url"),
            "image_url": st.fixed_dictionaries(
                {"url": words}, optional={"detail": st.sampled_from(["low", "high"])}
            ),
        }
    ),
    st.builds(
        lambda name, data: {"type": "file", "file": {"filename": name, "file_data": data}},
        words,
        words,
    ),
)
contents = words | st.lists(inputs, min_size=2, max_size=3)


def call_of(number, custom, name, given):
    kind, field = ("custom", "input") if custom else ("function", "arguments")
    return {"id": f"call_{number}", "type": kind, kind: {"name": name, field: given}}


@st.composite
def calls(draw):
    drawn = draw(st.lists(st.tuples(st.booleans(), words, words), max_size=3))
    return [call_of(number, *call) for number, call in enumerate(drawn)]


@st.composite
def turns(draw):
    """A user's words, then an assistant's, with the results of what it called."""
    called, said, refusal = draw(calls()), draw(maybe), draw(maybe)
    answer = {"role": "assistant", "content": said}
    if not (said or refusal or called):
        answer["content"] = ""
    if refusal:
        answer["refusal"] = refusal
    if called:
        answer["tool_calls"] = called
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": draw(contents)} for call in called
    ]
    return [{"role": "user", "content": draw(contents)}, answer, *results]


@st.composite
def conversations(draw):
    rules = draw(st.lists(st.sampled_from(["system", "developer"]), max_size=1))
    said = draw(st.lists(turns(), min_size=1, max_size=3))
    asked = {"role": "user", "content": draw(contents)}
    first = [{"role": role, "content": draw(words)} for role in rules]
    return [*first, *(message for turn in said for message in turn), asked]


@st.composite
def completions(draw):
    """A chat completion as this project writes it: what is absent stays away."""
    thought, text, refusal, called = draw(maybe), draw(maybe), draw(maybe), draw(calls())
    message = {"role": "assistant", "content": text or (None if refusal or called else "")}
    given = {"refusal": refusal, "reasoning_content": thought, "tool_calls": called}
    message |= {name: value for name, value in given.items() if value}
    scored = [{"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}]
    logprobs = {"content": scored, "refusal": None} if text and draw(st.booleans()) else None
    ends = ["length", "content_filter", "tool_calls" if called else "stop"]
    choice = {"index": 0, "message": message, "logprobs": logprobs}
    choice["finish_reason"] = draw(st.sampled_from(ends))
    told = {"id": "c", "object": "chat.completion", "created": 9, "model": "m"}
    return {**told, "choices": [choice], "service_tier": "flex", "usage": USAGE}


def pieces(text):
    """A text in two, the first one short; none of nothing."""
    return [piece for piece in (text[:1], text[1:]) if piece]


def chunks_of(completion):
    """The chunks that a server would stream for a completion, its calls' arguments in turns."""
    choice = completion["choices"][0]
    message, logprobs = choice["message"], choice["logprobs"]
    head = {name: completion[name] for name in ("id", "created", "model", "service_tier")}

    def chunk(delta, finish=None, logprobs=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        return {**head, "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for field in ("reasoning_content", "content", "refusal"):
        for piece in pieces(message.get(field) or ""):
            yield chunk({field: piece}, logprobs=logprobs if field == "content" else None)
            logprobs = None if field == "content" else logprobs
    given = []
    for index, call in enumerate(message.get("tool_calls") or ()):
        kind = call["type"]
        field = "input" if kind == "custom" else "arguments"
        yield chunk({"tool_calls": [{"index": index, **call, kind: {**call[kind], field: ""}}]})
        given.append(
            [{"index": index, kind: {field: piece}} for piece in pieces(call[kind][field])]
        )
    for turn in zip_longest(*given):
        yield chunk({"tool_calls": [delta for delta in turn if delta]})
    yield chunk({}, choice["finish_reason"])
    yield {**head, "choices": [], "usage": completion["usage"]}


async def each(items):
    for item in items:
        yield item


def events_of(chunks, request=REQUEST, done=None):
    """The events that a Responses client gets, their names checked."""

    async def write():
        stream = responses_stream.from_chat(each(chunks), request, "m", done)
        return b"".join([frame async for frame in stream])

    found = []
    for block in asyncio.run(write()).split(b"\n\n")[:-1]:
        name, data = block.split(b"\n")
        found.append(orjson.loads(data.removeprefix(b"data: ")))
        assert name == b"event: " + found[-1]["type"].encode()
    return found


def read(events):
    """The chunks that a chat client gets."""

    async def chunks():
        return [chunk async for chunk in responses_stream.to_chat(each(events))]

    return asyncio.run(chunks())


def collected(chunks):
    """The completion that a client puts together from its chunks."""
    message, logprobs, finish, called = {"role": None, "content": None}, [], None, {}
    told = {"id": "c", "object": "chat.completion"}
    for chunk in chunks:
        names = ("created", "model", "service_tier", "usage")
        told |= {name: chunk[name] for name in names if name in chunk}
        for choice in chunk["choices"]:
            finish = choice["finish_reason"] or finish
            logprobs += (choice.get("logprobs") or {}).get("content") or ()
            for field, value in choice["delta"].items():
                if field == "tool_calls":
                    _collect(called, value)
                else:
                    message[field] = (message.get(field) or "") + value
    if called:
        message["tool_calls"] = [called[index] for index in sorted(called)]
    if not called and "refusal" not in message:
        message["content"] = message["content"] or ""
    scored = {"content": logprobs, "refusal": None} if logprobs else None
    choice = {"index": 0, "message": message, "logprobs": scored, "finish_reason": finish}
    return {**told, "choices": [choice]}


def _collect(called, deltas):
    for delta in deltas:
        kind = "custom" if "custom" in delta else "function"
        field = "input" if kind == "custom" else "arguments"
        call = called.setdefault(delta["index"], {**delta, kind: {**delta[kind], field: ""}})
        call.pop("index", None)
        call[kind][field] += delta[kind][field]


def bare(response):
    """A response without what is new each time: ids and the clock."""
    output = [{**item, "id": item["id"].split("_")[0]} for item in response["output"]]
    return {**response, "id": "resp", "completed_at": None, "output": output}


@given(conversations())
def test_a_conversation_comes_back_from_responses_as_it_was(messages):
    request = responses_request.from_chat({"model": "m", "messages": messages})
    chat = responses_request.to_chat(request)
    assert chat["messages"] == messages
    assert responses_request.from_chat(chat) == request


@given(completions())
def test_a_completion_comes_back_from_responses_as_it_was(completion):
    response = responses_reply.from_chat(completion, REQUEST)
    assert {**responses_reply.to_chat(response), "id": "c"} == completion
    again = responses_reply.from_chat(responses_reply.to_chat(response), REQUEST)
    assert bare(again) == bare(response)


@given(completions())
def test_a_stream_for_a_responses_client_ends_with_the_whole_answer(completion):
    seen = []
    events = events_of(chunks_of(completion), done=seen.append)
    assert events[-1]["response"] == seen[0]
    assert bare(seen[0]) == bare(responses_reply.from_chat(completion, REQUEST))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@given(completions())
def test_a_stream_of_responses_is_to_a_chat_client_what_the_whole_answer_is(completion):
    events = events_of(chunks_of(completion))
    found = collected(read(events))
    assert found == completion
    assert found == {**responses_reply.to_chat(events[-1]["response"]), "id": "c"}


@given(completions())
def test_deltas_make_up_what_is_done_and_each_item_ends_as_it_stands_in_the_answer(completion):
    events = events_of(chunks_of(completion))
    grown: dict[tuple[str, str], str] = {}
    for event in events:
        stem, _, end = event["type"].rpartition(".")
        if end == "delta":
            key = stem, event["item_id"]
            grown[key] = grown.get(key, "") + event["delta"]
        elif end == "done" and (stem, event.get("item_id")) in grown:
            whole = next(event[name] for name in _WHOLE if name in event)
            assert grown[stem, event["item_id"]] == whole
    ended = {e["output_index"]: e["item"] for e in events if e["type"].endswith("item.done")}
    assert [ended[index] for index in sorted(ended)] == events[-1]["response"]["output"]


_WHOLE = ("text", "refusal", "arguments", "input")


@given(completions())
def test_an_answers_output_is_input_that_says_the_same(completion):
    message = completion["choices"][0]["message"]
    output = responses_reply.from_chat(completion, REQUEST)["output"]
    results = [
        {"type": f"{item['type']}_output", "call_id": item["call_id"], "output": "done"}
        for item in output
        if "call_id" in item
    ]
    asked = {"role": "user", "content": "and now?"}
    request = {"model": "m", "input": [*output, *results, asked]}
    found = responses_request.to_chat(request)["messages"]
    called = [
        {"role": "tool", "tool_call_id": call["id"], "content": "done"}
        for call in message.get("tool_calls") or ()
    ]
    said = message.keys() & {"refusal", "tool_calls"} or message["content"]
    assert found == [*([message] if said else ()), *called, asked]
