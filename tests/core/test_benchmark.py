"""One item: answers are scored, failures are kept apart from scores."""

from core.benchmark import Item, Judge, answered, blank, failed, items, judged, scored, unjudgeable
from core.errors import UnreadableReply, UpstreamError, UpstreamRejected
from core.records import Model, Reply, Task, Usage

MODEL = Model(provider="p", name="m")
SUM = Task(
    id="sum", category="reasoning", prompt="2+2?", scoring="deterministic",
    spec={"expected": "4", "match": "number"},
)  # fmt: skip
ESSAY = Task(
    id="essay", category="creative-writing", prompt="Write.", scoring="llm-judge",
    spec={"criteria": [{"name": "a"}, {"name": "b"}]},
)  # fmt: skip


def result(task, text):
    reply = Reply(text=text, latency_ms=12, usage=Usage(tokens_in=3, tokens_out=5))
    return answered(blank("run", Item(model=MODEL, task=task)), reply)


def test_an_empty_answer_is_an_answer_and_scores_0():
    found = scored(result(SUM, ""), SUM)
    assert (found.status, found.score) == ("ok", 0.0)


def test_a_right_answer_keeps_its_latency_and_tokens():
    found = scored(result(SUM, "4"), SUM)
    assert (found.score, found.latency_ms, found.tokens_in, found.tokens_out) == (10.0, 12, 3, 5)


async def judge_says(text, judge_id="p/judge"):
    async def chat(_question):
        return Reply(text=text)

    return await judged(result(ESSAY, "It was a dark night."), ESSAY, Judge(
        id=judge_id, chat=chat, prompt="Grade. {strictness}"
    ))  # fmt: skip


async def test_a_judged_score_is_the_mean_of_its_criteria():
    found = await judge_says('{"criteria": {"a": 10, "b": 5}}')
    assert (found.status, found.score, found.judge, found.self_judged) == (
        "ok", 7.5, "p/judge", False,
    )  # fmt: skip


async def test_a_model_that_judges_itself_is_marked():
    assert (await judge_says('{"criteria": {"a": 10, "b": 5}}', "p/m")).self_judged


def test_failures_have_a_name_and_no_score():
    item = blank("run", Item(model=MODEL, task=SUM))
    down = failed(item, UpstreamError("p is unreachable"))
    assert (down.status, down.score, down.error) == ("infra_error", None, "p is unreachable")
    assert failed(item, UpstreamRejected("too long", status=400)).status == "model_error"
    rubbish = failed(result(ESSAY, "text"), UnreadableReply("no JSON"))
    assert (rubbish.status, rubbish.score, rubbish.answer) == ("judge_error", None, "text")
    assert "no JSON" in (rubbish.error or "")
    assert unjudgeable(item).score is None


def test_neighbouring_items_are_on_different_models():
    models = [Model(provider="p", name=n) for n in "ab"]
    order = items(models, [SUM, ESSAY], 2)
    assert len(order) == 8
    assert [i.model.name for i in order[:4]] == ["a", "b", "a", "b"]
