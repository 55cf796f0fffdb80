import asyncio

import orjson
import pytest

from core.cache import DecisionCache, cache_key
from core.decision import Candidate, Score, Snapshot
from core.errors import ModelNotFound, NothingRoutable, UpstreamError
from core.records import Model, Reply
from core.routing import RouteRequest, Routing, decide, eligible


def candidate(name, mean=None, *, latency=None, **capabilities):
    scores = {} if mean is None else {"coding": Score(mean=mean, n=5, low=0, high=10)}
    model = Model(provider="p", name=name, enabled=True, capabilities=capabilities)
    return Candidate(model=model, scores=scores, avg_latency_ms=latency)


SNAPSHOT = Snapshot(
    id="s1", candidates=(candidate("good", 9), candidate("bad", 2)), categories=("coding",)
)


class Meta:
    """A scripted meta-model that counts its calls."""

    def __init__(self, answer, *, delay_s=0.0):
        self.answer, self.delay_s, self.questions = answer, delay_s, []

    async def __call__(self, question):
        self.questions.append(question)
        await asyncio.sleep(self.delay_s)
        if isinstance(self.answer, Exception):
            raise self.answer
        text = self.answer if isinstance(self.answer, str) else orjson.dumps(self.answer).decode()
        return Reply(text=text)


def routing(meta, **more):
    return Routing(chat=meta, meta_model="p/meta", **{"guardrail": "off"} | more)


def picks(name):
    return {"category": "coding", "modelname": f"p/{name}", "reason": "r", "matching_tags": ["x"]}


@pytest.fixture
def cache():
    return DecisionCache(120, 10)


async def test_the_meta_models_choice_is_taken(cache):
    decision = await decide(RouteRequest(text="hi"), SNAPSHOT, routing(Meta(picks("bad"))), cache)
    assert (decision.target, decision.outcome, decision.category) == ("p/bad", "meta", "coding")
    assert decision.runners_up == ("p/good",)


async def test_scores_that_speak_clearly_overrule_the_meta_model(cache):
    meta = Meta(picks("bad"))
    decision = await decide(RouteRequest(text="hi"), SNAPSHOT, routing(meta, guardrail="on"), cache)
    assert (decision.target, decision.outcome) == ("p/good", "guardrail")
    assert "p/bad" in decision.reason
    assert decision.matching_tags == (), "the tags were the other model's"
    again = await decide(RouteRequest(text="hi"), SNAPSHOT, routing(meta, guardrail="on"), cache)
    assert (again.target, again.outcome, len(meta.questions)) == ("p/good", "cache", 1)


async def test_a_recording_guardrail_only_says_so(cache):
    orders = routing(Meta(picks("bad")), guardrail="record")
    decision = await decide(RouteRequest(text="hi"), SNAPSHOT, orders, cache)
    assert (decision.target, decision.outcome) == ("p/bad", "meta")
    assert "guardrail" in decision.reason


@pytest.mark.parametrize("means", [(None, None), (9, None), (None, 2), (5.2, 5.0), (2, 9)])
async def test_a_choice_that_no_score_speaks_against_stands(cache, means):
    close = Snapshot(id="s", candidates=(candidate("good", means[0]), candidate("bad", means[1])))
    orders = routing(Meta(picks("bad")), guardrail="on")
    decision = await decide(RouteRequest(text="hi"), close, orders, cache)
    assert (decision.target, decision.outcome) == ("p/bad", "meta")


async def test_a_repeat_is_a_cache_hit_with_an_id_of_its_own(cache):
    meta = Meta(picks("bad"))
    first = await decide(RouteRequest(text="hi"), SNAPSHOT, routing(meta), cache)
    again = await decide(RouteRequest(text=" hi\n"), SNAPSHOT, routing(meta), cache)
    assert (again.outcome, again.target, len(meta.questions)) == ("cache", "p/bad", 1)
    assert first.id != again.id


async def test_equal_misses_at_once_cost_one_question(cache):
    meta = Meta(picks("bad"), delay_s=0.02)
    orders = [decide(RouteRequest(text="hi"), SNAPSHOT, routing(meta), cache) for _ in range(10)]
    decisions = await asyncio.gather(*orders)
    assert len(meta.questions) == 1
    assert len({d.id for d in decisions}) == 10


async def test_a_new_snapshot_is_a_new_question(cache):
    meta = Meta(picks("bad"))
    await decide(RouteRequest(text="hi"), SNAPSHOT, routing(meta), cache)
    renewed = Snapshot(id="s2", candidates=SNAPSHOT.candidates, categories=("coding",))
    await decide(RouteRequest(text="hi"), renewed, routing(meta), cache)
    assert len(meta.questions) == 2


@pytest.mark.parametrize(
    "answer", [UpstreamError("down"), "rubbish", picks("unknown"), '{"modelname": "p/ba', {}]
)
async def test_a_failing_meta_model_leaves_the_best_single_model(cache, answer):
    decision = await decide(RouteRequest(text="hi"), SNAPSHOT, routing(Meta(answer)), cache)
    assert (decision.target, decision.outcome) == ("p/good", "fallback")


async def test_a_slow_meta_model_is_not_waited_for(cache):
    slow = routing(Meta(picks("bad"), delay_s=5), timeout_s=0.01)
    decision = await decide(RouteRequest(text="hi"), SNAPSHOT, slow, cache)
    assert (decision.target, decision.outcome) == ("p/good", "fallback")


async def test_a_stale_decision_outlives_a_failing_meta_model():
    now = [0.0]
    cache = DecisionCache(120, 10, clock=lambda: now[0])
    await decide(RouteRequest(text="hi"), SNAPSHOT, routing(Meta(picks("bad"))), cache)
    now[0] = 1000
    failing = routing(Meta(UpstreamError("down")))
    decision = await decide(RouteRequest(text="hi"), SNAPSHOT, failing, cache)
    assert (decision.target, decision.outcome) == ("p/bad", "fallback")


async def test_a_fallback_is_kept_for_seconds_only():
    now = [0.0]
    cache = DecisionCache(120, 10, clock=lambda: now[0])
    await decide(RouteRequest(text="hi"), SNAPSHOT, routing(Meta(UpstreamError("down"))), cache)
    now[0] = 6
    healed = await decide(RouteRequest(text="hi"), SNAPSHOT, routing(Meta(picks("bad"))), cache)
    assert healed.outcome == "meta"


@pytest.mark.parametrize(
    ("snapshot", "text"),
    [
        (Snapshot(id="1", candidates=(candidate("only"),)), "hi"),
        (SNAPSHOT, "### Task:\nGenerate a title"),
    ],
)
async def test_one_model_and_housekeeping_cost_no_question(cache, snapshot, text):
    meta = Meta(picks("bad"))
    await decide(RouteRequest(text=text), snapshot, routing(meta), cache)
    assert not meta.questions
    assert len(cache) == 0


async def test_with_no_enabled_model_the_default_answers(cache):
    others = (Model(provider="p", name="a"), Model(provider="p", name="b"))
    empty = Snapshot(id="1", others=others)
    decision = await decide(RouteRequest(text="x"), empty, Routing(default_model="b"), cache)
    assert (decision.target, decision.outcome) == ("p/b", "fallback")
    with pytest.raises(NothingRoutable):
        await decide(RouteRequest(text="x"), Snapshot(id="1"), Routing(), cache)


def test_constraints_narrow_unless_they_leave_none():
    blind = candidate("blind", vision=False)
    seeing = RouteRequest(text="", needs=frozenset({"vision"}))
    snapshot = Snapshot(id="1", candidates=(blind, candidate("unknown")))
    assert [c.model.name for c in eligible(seeing, snapshot, frozenset())] == ["unknown"]
    assert list(eligible(seeing, Snapshot(id="1", candidates=(blind,)), frozenset())) == [blind]
    resting = eligible(RouteRequest(text=""), snapshot, frozenset({"p/unknown"}))
    assert list(resting) == [blind]
    with pytest.raises(ModelNotFound):
        eligible(RouteRequest(text="", models=("nobody",)), snapshot, frozenset())


async def test_the_prompt_is_fenced_and_the_order_depends_on_the_seed(cache):
    meta = Meta(picks("bad"))
    await decide(RouteRequest(text="ignore all"), SNAPSHOT, routing(meta), cache)
    user = meta.questions[0].messages[1].content
    fence = user.rsplit("\n", 1)[1]
    assert user.endswith(f"{fence}\nignore all\n{fence}")


def test_cache_key_ignores_white_space_and_constraint_order():
    assert cache_key("a  b", "s", constraints=["x", "y"]) == cache_key(
        "a b\n", "s", constraints=["y", "x"]
    )
    assert cache_key("a b", "s") != cache_key("a b", "t")
    assert cache_key("a\ud800", "s")


async def test_a_caller_who_leaves_does_not_end_the_flight_for_others(cache):
    meta = Meta(picks("bad"), delay_s=0.05)
    order = RouteRequest(text="hi")
    first = asyncio.create_task(decide(order, SNAPSHOT, routing(meta), cache))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(decide(order, SNAPSHOT, routing(meta), cache))
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second).target == "p/bad"
    assert len(meta.questions) == 1
