"""First light: `touchstone demo` on two real models, then everything a newcomer tries next."""

import openai
import pytest

from tests.acceptance.machine import metric, start

pytestmark = pytest.mark.timeout(900)
ANSWER = {"temperature": 0, "max_tokens": 40}


@pytest.fixture(scope="module")
async def demo(tmp_path_factory):
    async with start("demo", tmp_path_factory.mktemp("demo")) as running:
        await running.until(lambda: "Ctrl-C stops" in running.said(), 800)
        yield running


async def test_it_ends_with_a_routed_answer_and_the_reason(demo):
    said = demo.said().partition("A question, routed")[2]
    assert "Paris" in said.partition("The decision")[0]
    assert "target: smollm2/smollm2-135m-instruct" in said
    assert "reason: " in said


async def test_the_openai_sdk_streams_several_chunks(demo):
    client = openai.AsyncOpenAI(base_url=f"{demo.url}/v1", api_key="none")
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    stream = await client.chat.completions.create(
        model="touchstone", messages=messages, stream=True, **ANSWER
    )
    pieces = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
    await client.close()
    assert len([piece for piece in pieces if piece]) > 3


async def test_a_repeat_asks_no_meta_model(demo):
    async def misses():
        text = (await demo.http.get("/metrics")).text
        return metric(text, "touchstone_decision_cache_requests_total", result="miss")

    body = {"model": "touchstone", "messages": [{"role": "user", "content": "2 + 2 ="}], **ANSWER}
    first = await demo.http.post("/v1/chat/completions", json=body)
    before = await misses()
    again = await demo.http.post("/v1/chat/completions", json=body)
    assert await misses() == before > 0
    assert first.headers["x-touchstone-cache"] == "miss"
    assert again.headers["x-touchstone-cache"] == "hit"
    assert again.headers["x-touchstone-outcome"] == "cache"
    assert again.headers["x-touchstone-model"] == first.headers["x-touchstone-model"]
    assert again.headers["x-touchstone-decision-id"] != first.headers["x-touchstone-decision-id"]


async def test_both_models_show_tags_scores_and_latency(demo):
    found = (await demo.http.get("/models")).json()["models"]
    assert {model["source"] for model in found} == {"smollm2", "gemma"}
    for model in found:
        assert {"strengths", "weaknesses"} <= set(model["tags"])
        assert sum(score["n"] for score in model["scores"].values()) >= 8
        assert model["avgLatencyMs"] > 0


async def test_ctrl_c_leaves_no_process_behind(demo):
    assert await demo.stop() == 0
    assert demo.processes() == set()
