"""Embeddings go to the model that is named, or configured."""

import pytest

from tests.door import open_door


async def test_a_model_named_with_its_provider_answers(door):
    body = {"model": "p/text-embed", "input": ["one", "three"], "encoding_format": "float"}
    answer = await door.http.post("/v1/embeddings", json=body)
    assert [entry["embedding"] for entry in answer.json()["data"]] == [[3.0, 0.5], [5.0, 0.5]]
    assert answer.headers["x-touchstone-model"] == "p/text-embed"
    assert door.upstream.asked("text-embed")[0]["body"]["encoding_format"] == "float"
    assert 'operation_name="embeddings"' in (await door.http.get("/metrics")).text


async def test_without_a_name_the_configured_model_answers(pool, url):
    async with open_door(pool, url, embedding_model="p/text-embed") as door:
        body = {"model": "touchstone", "input": "one"}
        assert (await door.http.post("/v1/embeddings", json=body)).status_code == 200
        answer = (await door.http.post("/api/embed", json={"input": ["one"]})).json()
    assert answer["embeddings"] == [[3.0, 0.5]]
    assert (answer["model"], answer["prompt_eval_count"]) == ("p/text-embed", 3)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"input": "x"}, 400),
        ({"model": "p/e"}, 400),
        ({"model": "p/e", "input": []}, 400),
        ({"model": "nobody", "input": "x"}, 404),
        ({"model": "p/status-500", "input": "x"}, 502),
        ({"model": "p/broken-json", "input": "x"}, 502),
        ({"model": 5, "input": "x"}, 400),
    ],
)
@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/embed"])
async def test_what_cannot_be_embedded_is_told_in_the_callers_words(door, path, body, status):
    answer = await door.http.post(path, json=body)
    assert answer.status_code == status
    assert "error" in answer.json()


async def test_a_provider_without_embeddings_says_so(pool, url):
    async with open_door(pool, url, provider={"type": "anthropic"}) as door:
        answer = await door.http.post("/v1/embeddings", json={"model": "p/x", "input": "x"})
    assert answer.status_code == 400
    assert "no embeddings" in answer.json()["error"]["message"]


async def test_ollamas_older_call_gives_one_vector(pool, url):
    async with open_door(pool, url) as door:
        body = {"model": "p/embedder", "prompt": "abc"}
        answer = await door.http.post("/api/embeddings", json=body)
        assert answer.json() == {"embedding": [3.0, 0.5]}
        assert (await door.http.post("/api/embeddings", json={"model": "p/x"})).status_code == 400
