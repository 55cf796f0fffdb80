import pytest

from core.decision import Candidate, Score
from core.evidence import better, expected
from core.records import Model


def candidate(name, **means):
    scores = {c: Score(mean=mean, n=n, low=0, high=10) for c, (mean, n) in means.items()}
    return Candidate(model=Model(provider="p", name=name, enabled=True), scores=scores)


def test_nothing_is_expected_of_a_model_without_results():
    assert expected(candidate("a"), "coding") is None


def test_few_results_stay_near_the_overall_mean_and_many_do_not():
    few = expected(candidate("a", coding=(10, 2), facts=(5, 2)), "coding")
    many = expected(candidate("a", coding=(10, 2000), facts=(5, 2000)), "coding")
    assert few
    assert many
    assert 7.5 < few[0] < 8.5
    assert many[0] == pytest.approx(10, abs=0.1)
    assert few[1] > many[1]


def test_a_category_without_results_is_expected_at_the_overall_mean():
    found = expected(candidate("a", coding=(8, 5)), "poetry")
    assert found
    assert found[0] == 8


def test_only_a_clear_lead_is_an_objection():
    leader, rival = candidate("a", coding=(9, 20)), candidate("b", coding=(8.5, 20))
    loser = candidate("c", coding=(2, 20))
    table = [leader, rival, loser]
    assert better(leader, table, "coding") is None
    assert better(rival, table, "coding") is None
    objection = better(loser, table, "coding")
    assert objection
    assert objection.best is leader
    assert better(candidate("new"), table, "coding") is None
