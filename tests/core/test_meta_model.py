"""The question to the meta-model is as closed as its answers are."""

import jsonschema
import pytest

from core.decision import Candidate, Snapshot
from core.errors import UnreadableReply
from core.meta_model import question, read
from core.records import Model


def candidate(name, *strengths):
    return Candidate(model=Model(provider="p", name=name, enabled=True, strengths=strengths))


def schema_of(*candidates):
    snapshot = Snapshot(id="s", candidates=candidates, categories=("coding",))
    return question("hi", candidates, snapshot, seed="x").schema


def valid(schema, **more):
    verdict = {"category": "coding", "modelname": "p/a", "reason": "r", **more}
    return jsonschema.Draft202012Validator(schema).is_valid(verdict)


def test_the_schema_takes_known_names_categories_and_tags_only():
    schema = schema_of(candidate("a", "math"), candidate("b", "poetry"))
    assert valid(schema, matching_tags=["math"], tag_relevance={"math": 9})
    assert not valid(schema, matching_tags=["math"], modelname="p/c")
    assert not valid(schema, matching_tags=["math"], category="cooking")
    assert not valid(schema, matching_tags=["singing"])
    assert not valid(schema, matching_tags=[], tag_relevance={"n": 1})


def test_where_there_are_no_tags_none_are_asked_for():
    schema = schema_of(candidate("a"), candidate("b"))
    assert valid(schema)
    assert "matching_tags" not in schema["properties"]


def test_very_many_tags_are_not_listed():
    schema = schema_of(candidate("a", *(f"tag-{n}" for n in range(500))), candidate("b"))
    assert valid(schema, matching_tags=["anything"])
    assert len(str(schema)) < 1000


def test_a_bare_name_will_do_but_a_strangers_will_not():
    known = [candidate("a"), candidate("b")]
    assert read('{"modelname": "a"}', known, ()).candidate is known[0]
    for reply in ('{"modelname": "c"}', '{"modelname": null}', "a"):
        with pytest.raises(UnreadableReply):
            read(reply, known, ())
