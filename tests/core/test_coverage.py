"""The reported 95 % intervals hold the truth: a scripted judge whose noise is known, many runs.

The truth is the mean over the population of tasks, of which each run sees ``n`` fresh ones: a
task's own level varies, and the judge's noise comes on top. It is estimated from a million draws.
"""

import json
import math

import numpy as np
import pytest

from core import benchmark, evidence
from core.records import Reply, Result, Task

RUNS = 500
SIZES = (5, 10, 20, 40)
ANCHORS = np.array([0.0, 2.0, 5.0, 8.0, 10.0])
MEANS = (1, 2, 3, 4, 5, 6, 7, 8, 9)


def clipped(random, shape, mean, spread):
    tasks = random.normal(mean, 0.8 * spread, shape)
    return np.clip(random.normal(tasks, 0.6 * spread), 0, 10)


def anchored(random, shape, mean, spread):
    wanted = clipped(random, shape, mean, spread)
    return ANCHORS[np.abs(wanted[..., None] - ANCHORS).argmin(axis=-1)]


def all_or_nothing(random, shape, mean, spread):
    chances = random.beta(mean * spread / 10, spread - mean * spread / 10, shape)
    return 10.0 * (random.random(shape) < chances)


#: noise, its spread on the scale of 0–10 (of the chances' sharpness for 0/10), most that may hold
NOISES = {
    "gaussian, narrow": (clipped, 0.7, 0.98),
    "gaussian": (clipped, 1.9, 0.98),
    "gaussian, wide": (clipped, 3.5, 0.98),
    "anchors": (anchored, 2.2, 0.98),
    "anchors, wide": (anchored, 3.5, 0.98),
    # few tasks and one anchor nearly always: the sample shows no spread, the interval assumes some
    "anchors, narrow": (anchored, 1.2, 1.0),
    "0/10, tasks alike": (all_or_nothing, 100, 0.98),
    "0/10, tasks of every difficulty": (all_or_nothing, 1.5, 0.98),
}


def holds(scores, truth):
    """Whether the interval of one run's task means holds the truth."""
    sd = float(scores.std(ddof=1))
    dichotomous = bool(np.isin(scores, (0.0, 10.0)).all())
    found = evidence.score(float(scores.mean()), len(scores), sd, dichotomous=dichotomous)
    return found.low - 1e-9 <= truth <= found.high + 1e-9


def coverage(noise, n, mean, spread, random):
    truth = noise(random, 200_000, mean, spread).mean()
    return np.mean([holds(run, truth) for run in noise(random, (RUNS, n), mean, spread)])


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", NOISES)
def test_intervals_hold_the_truth_in_92_to_98_of_100_runs(name, n):
    noise, spread, most = NOISES[name]
    random = np.random.default_rng([n, len(name)])
    found = [coverage(noise, n, mean, spread, random) for mean in MEANS]
    assert 0.92 <= np.mean(found) <= most, found
    # at one given truth a few 0/10 items reach only few levels of coverage: Wilson's lowest is 0.89
    assert min(found) >= 0.86, found


@pytest.mark.parametrize("n", SIZES)
def test_repeats_of_a_task_are_no_further_tasks(n):
    """Eight repeats each: their means are the sample; taken as items they would hold it half as
    often as they say."""
    random = np.random.default_rng(n)
    levels = random.normal(6, 2, (RUNS, n, 1))
    answers = np.clip(random.normal(levels, 1.0, (RUNS, n, 8)), 0, 10)
    truth = np.clip(random.normal(random.normal(6, 2, 1_000_000), 1.0), 0, 10).mean()
    assert 0.92 <= np.mean([holds(run.mean(axis=1), truth) for run in answers]) <= 0.98
    assert np.mean([holds(run.ravel(), truth) for run in answers]) < 0.75


@pytest.mark.parametrize("noise", [clipped, anchored])
def test_so_do_those_of_grades_that_went_through_the_judge(noise):
    """The judge's replies are read as any judge's are."""
    random = np.random.default_rng(5)
    truth = float(noise(random, 1_000_000, 6, 2.0).mean())
    grades = iter(noise(random, RUNS * 10, 6, 2.0).tolist())
    spec = {"criteria": [{"name": "c", "description": "d"}]}
    task = Task(id="t", category="c", prompt="p", scoring="llm-judge", spec=spec)
    blank = Result(run_id="r", provider="p", model="m", task_id="t", task_version=1, category="c")

    async def chat(question):
        grade = {"c": {"score": next(grades), "reason": "so it is scripted"}}
        return Reply(text=json.dumps({"criteria": grade}))

    judge = benchmark.Judge(id="p/judge", chat=chat, prompt="{strictness}")
    runs = np.array([[_score(blank, task, judge) for _ in range(10)] for _ in range(RUNS)])
    assert 0.92 <= np.mean([holds(run, truth) for run in runs]) <= 0.98


def _score(blank, task, judge):
    """Driven by hand: ten thousand loops would be slow, and the script never waits."""
    try:
        benchmark.judged(blank, task, judge).send(None)
    except StopIteration as ended:
        return ended.value.score
    raise AssertionError("the script waited")


def test_an_interval_is_on_the_scale_and_never_of_no_width():
    for mean, sd in ((0, 0), (10, 0), (5, 0), (9.9, 0.3), (0.1, 2)):
        found = evidence.score(mean, 5, sd, dichotomous=False)
        assert 0 <= found.low <= mean <= found.high <= 10
        assert found.high - found.low > 0.1


def test_one_judged_task_alone_says_nothing_and_one_of_0_or_10_little():
    alone = evidence.score(7, 1, None, dichotomous=False)
    assert (alone.low, alone.high) == (0, 10)
    assert evidence.score(10, 1, None, dichotomous=True).low == pytest.approx(2.065, abs=0.01)


def test_wilsons_and_students_intervals_are_its_two_ends():
    wilson = evidence.score(8, 10, None, dichotomous=True)
    assert (wilson.low, wilson.high) == (
        pytest.approx(4.902, abs=0.001),
        pytest.approx(9.433, abs=0.001),
    )
    student = evidence.score(5, 10, 0.2, dichotomous=False)
    assert student.high - 5 == pytest.approx(2.2622 * 0.2 / math.sqrt(10), rel=0.01)
