"""Whatever is sent to an API route: no 5xx of ours, no hang, every error in JSON."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool", "x"]) | ANYTHING},
    optional={
        "content": st.text(max_size=30)
        | st.lists(st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url"])}
                                         | {"text": ANYTHING, "image_url": ANYTHING}), max_size=2)
        | ANYTHING,
        "images": ANYTHING,
        "tool_calls": st.lists(st.fixed_dictionaries({"function": ANYTHING}) | ANYTHING, max_size=2)
        | ANYTHING,
        "tool_call_id": ANYTHING,
    },
)  # fmt: skip
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "function_call", "function_call_output", "reasoning"])
        | st.just("item_reference")
        | ANYTHING,
        "id": ANYTHING,
        "role": st.sampled_from(["user", "assistant", "system"]) | ANYTHING,
        "content": st.text(max_size=20)
        | st.lists(st.fixed_dictionaries({"type": st.sampled_from(["input_text", "input_image"])}
                                         | {"text": ANYTHING, "image_url": ANYTHING}), max_size=2)
        | ANYTHING,
        "call_id": ANYTHING,
        "name": ANYTHING,
        "arguments": ANYTHING,
        "output": ANYTHING,
        "summary": ANYTHING,
    },
)  # fmt: skip
NAMES = st.sampled_from(["touchstone", "auto", "", "p/good", "fast", "touchstone:latest", "x/y"])
BODY = st.fixed_dictionaries(
    {},
    optional={
        "model": NAMES | ANYTHING,
        "name": ANYTHING,
        "messages": st.lists(MESSAGE, max_size=3) | ANYTHING,
        "message": st.text(max_size=20) | ANYTHING,
        "prompt": st.text(max_size=20) | ANYTHING,
        "system": ANYTHING,
        "input": st.lists(ITEM, max_size=3) | ANYTHING,
        "instructions": ANYTHING,
        "previous_response_id": ANYTHING,
        "text": ANYTHING,
        "max_tokens": ANYTHING,
        "tool_choice": ANYTHING,
        "stream": st.booleans() | ANYTHING,
        "options": ANYTHING
        | st.dictionaries(st.sampled_from(["num_predict", "temperature", "stop"]), ANYTHING),
        "format": ANYTHING,
        "think": ANYTHING,
        "tools": ANYTHING,
        "models": ANYTHING,
        "category": ANYTHING,
        "policy": ANYTHING,
        "bypass_cache": ANYTHING,
        "keep_alive": ANYTHING,
        "enabled": ANYTHING,
        "source": ANYTHING,
    },
)
ROUTES = [
    ("POST", "/v1/chat/completions"), ("POST", "/v1/responses"), ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/embeddings"), ("POST", "/api/chat"),
    ("POST", "/api/generate"), ("POST", "/api/embed"), ("POST", "/api/embeddings"),
    ("POST", "/api/show"), ("POST", "/chat"),
    ("POST", "/route"), ("POST", "/models/benchmark"), ("POST", "/models/tag"),
    ("PATCH", "/models/p%2Fgood/enable"), ("POST", "/models/p%2Fgood/reset"),
    ("DELETE", "/models/p%2Fgood"), ("POST", "/benchmark-tasks"),
    ("PUT", "/benchmark-tasks/none"), ("PUT", "/prompts/judge"),
]  # fmt: skip


def dump(body):
    """JSON as a careless client writes it: NaN, and halves of characters, included."""
    return json.dumps(body).encode()


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_any_body_is_answered(door, method, path):
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(BODY | ANYTHING)
    def bodies(body):
        found.append(dump(body))

    found: list[bytes] = []
    bodies()
    for content in found:
        answer = await door.http.request(method, path, content=content, timeout=10)
        assert answer.status_code not in (500, 504), content
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in ("application/json", "text/event-stream", "application/x-ndjson"), content
        if answer.is_error:
            error = answer.json()["error"]
            assert error if isinstance(error, str) else error["message"], content
