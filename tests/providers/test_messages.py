"""Messages and chat hold the same: there and back, whole and streamed, whatever it is.

The two neighbours of this module hold the single words of requests and of answers.
"""

import itertools

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.providers.messages import reply as messages_reply
from core.providers.messages import stream as messages_stream
from core.providers.messages.request import from_chat, to_chat
from core.providers.sse import objects

quick = settings(max_examples=60, deadline=None, database=None, suppress_health_check=HealthCheck)

ODD = (LookupError, TypeError, AttributeError, ValueError)
MARK = {"cache_control": {"type": "ephemeral"}}
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "s"}
USE = {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}
CALL = {"id": "t1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}


def text(words, **fields):
    return {"type": "text", "text": words, **fields}


def user(content):
    return {"role": "user", "content": content}


def assistant(content=None, **fields):
    return {"role": "assistant", "content": content, **fields}


def plain(parts):
    """Content as both formats write it: a lone text is a string."""
    lone = len(parts) == 1 and parts[0].keys() == {"type", "text"}
    return parts[0]["text"] if lone else parts


# There and back

words = st.text(min_size=1, max_size=12).filter(str.strip)
inputs = st.dictionaries(st.text(max_size=4), st.none() | st.booleans() | words | st.integers(0, 9))
marks = st.sampled_from([{}, {}, MARK])
numbered = itertools.count().__next__
texts = st.builds(lambda said, mark: text(said, **mark), words, marks)
kinds = [("image", "image/png", {}), ("document", "application/pdf", {"title": "a.pdf"})]
sources = [
    {"type": kind, "source": {"type": "base64", "media_type": media, "data": "QUJD"}, **more}
    for kind, media, more in kinds
]
note = {"type": "text", "media_type": "text/plain", "data": "noted"}
media = st.sampled_from([IMAGE, *sources, {"type": "document", "source": note}])
said = st.lists(texts | st.builds(dict.__or__, media, marks), min_size=1, max_size=3)
signed = st.builds(lambda thought: SIGNED | {"thinking": thought}, words | st.just(""))
thinking = st.lists(signed | st.just({"type": "redacted_thinking", "data": "x"}), max_size=2)
uses = st.builds(lambda given: USE | {"id": f"t{numbered()}", "input": given}, inputs)


@st.composite
def results(draw, use):
    found = {"type": "tool_result", "tool_use_id": use["id"]}
    if content := draw(st.lists(words, max_size=2)):
        found |= {"content": plain([text(part) for part in content])} | draw(marks)
    return found | draw(st.sampled_from([{}, {"is_error": True}]))


@st.composite
def requests(draw):
    """Requests in the form that `from_chat` writes."""
    turns, waiting = [user(draw(said))], []
    for _ in range(draw(st.integers(0, 2))):
        spoken = draw(st.lists(texts, min_size=1, max_size=2))
        waiting = draw(st.lists(uses, max_size=2))
        turns.append(assistant(draw(thinking) + spoken + waiting))
        told = [draw(results(use)) for use in waiting]
        turns.append(user(told + (draw(said) if not told or draw(st.booleans()) else [])))
    choices = [{"type": "auto", "disable_parallel_tool_use": True}, {"type": "none"}]
    choices += [{"type": "any"}, {"type": "tool", "name": "add"}]
    tools = [{"name": "add", "input_schema": {"type": "object", "properties": {}}, "strict": True}]
    optional = {
        "system": st.lists(texts, min_size=1, max_size=2).map(plain),
        "temperature": st.sampled_from([0, 0.5, 1]),
        "top_p": st.just(0.5),
        "top_k": st.just(3),
        "stream": st.booleans(),
        "metadata": st.just({"user_id": "u"}),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "stop_sequences": st.lists(words, min_size=1, max_size=2),
        "output_config": st.just({"format": {"type": "json_schema", "schema": {"a": {}}}}),
    }
    found = draw(st.fixed_dictionaries({}, optional=optional))
    if draw(st.booleans()):
        found |= {"tools": tools, "tool_choice": draw(st.sampled_from(choices))}
    return {"model": "m", "max_tokens": 9, "messages": turns, **found}


@quick
@given(requests())
def test_a_request_survives_the_way_through_chat_and_a_chat_body_that_through_messages(request):
    body = to_chat(request)
    assert from_chat(body, 1) == request
    assert to_chat(from_chat(body, 1)) == body


@st.composite
def answers(draw):
    """Answers in the form that `messages_reply.from_chat` writes."""
    content = draw(thinking | words.map(lambda t: [SIGNED | {"thinking": t, "signature": ""}]))
    content += draw(st.lists(words.map(text), max_size=1))
    calls = draw(st.lists(uses, max_size=3))
    stops = ["tool_use"] if calls else ["end_turn", "max_tokens"]
    ending = {"stop_reason": draw(st.sampled_from([*stops, "refusal"])), "stop_sequence": None}
    if ending["stop_reason"] == "refusal":
        details = {"type": "refusal", "category": None, "explanation": draw(words)}
        ending["stop_details"] = details
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    usage = {name: draw(st.integers(0, 99)) for name in (*names, "output_tokens")}
    usage["output_tokens_details"] = {"thinking_tokens": draw(st.integers(0, 9))}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    return {**head, "content": content + calls, **ending, "usage": usage}


@quick
@given(answers())
def test_an_answer_survives_the_way_through_chat(answer):
    assert messages_reply.from_chat(messages_reply.to_chat(answer)) == answer


# Streams


async def each(items):
    for item in items:
        yield item


async def collected(stream):
    return [item async for item in stream]


def events_of(answer):
    """An answer as Anthropic streams it, each text and input in two pieces."""
    head = {**answer, "content": [], "stop_reason": None, "stop_details": None}
    begun = answer["usage"] | {"output_tokens": 1}
    yield {"type": "message_start", "message": {**head, "usage": begun}}
    yield {"type": "ping"}
    for index, block in enumerate(answer["content"]):
        told = {"text": block.get("text"), "thinking": block.get("thinking")}
        told["partial_json"] = orjson.dumps(block["input"]).decode() if "input" in block else None
        empty = {"input": {}} if "input" in block else {n: "" for n in told if n in block}
        pieces = [(n, part) for n, t in told.items() if t for part in (t[:1], t[1:])]
        pieces += [("signature", block["signature"])] if block.get("signature") else []
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty}}
        for name, part in pieces:
            kind = {"partial_json": "input_json"}.get(name, name) + "_delta"
            delta = {"type": kind, name: part}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ending = {name: answer[name] for name in answer if name.startswith("stop_")}
    usage = answer["usage"] | {"input_tokens": None}
    yield {"type": "message_delta", "delta": ending, "usage": usage}
    yield {"type": "message_stop"}


async def read(chunks):
    """The message that our events tell to a client that takes one block at a time."""
    message, block, told = {}, None, ""
    async for event in objects(messages_stream.from_chat(each(chunks), "m")):
        match event["type"].removeprefix("content_"):
            case "message_start":
                message = event["message"]
            case "block_start":
                assert (block, event["index"]) == (None, len(message["content"]))
                block, told = event["content_block"], ""
            case "block_delta":
                assert event["index"] == len(message["content"])
                [(name, part)] = [item for item in event["delta"].items() if item[0] != "type"]
                told += part
                block |= {} if name == "partial_json" else {name: block[name] + part}
            case "block_stop":
                block |= {"input": orjson.loads(told or "{}")} if "input" in block else {}
                message["content"].append(block)
                block = None
            case "message_delta":
                message |= event["delta"] | {"usage": event["usage"]}
    assert event == {"type": "message_stop"}
    return message


def chunk(finish=None, **delta):
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def piece(index, arguments, **named):
    function = {"arguments": arguments, **({"name": "add"} if named else {})}
    return chunk(tool_calls=[{"index": index, **named, "function": function}])


@quick
@given(answers())
async def test_a_stream_tells_what_the_whole_answer_does(answer):
    chunks = await collected(messages_stream.to_chat(each(events_of(answer))))
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["usage"] == messages_reply.to_chat(answer)["usage"]
    assert await read(chunks) == answer


@quick
@given(st.lists(inputs, min_size=1, max_size=4), st.randoms())
async def test_calls_whose_pieces_come_in_turn_become_blocks_one_after_another(given, random):
    said = [orjson.dumps(found).decode() for found in given]
    waiting = [[piece(n, "", id=f"t{n}"), *(piece(n, c) for c in s)] for n, s in enumerate(said)]
    chunks = [chunk(content="so")]
    while waiting := [pieces for pieces in waiting if pieces]:
        chunks.append(random.choice(waiting).pop(0))
    found = await read([*chunks, chunk(finish="stop")])
    calls = sorted(found["content"][1:], key=lambda block: block["id"])
    assert [block["input"] for block in calls] == given
    assert found["stop_reason"] == "tool_use"
