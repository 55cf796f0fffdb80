import pytest

from core.errors import UnreadableReply
from core.json_reply import json_object


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '```json\n{"a": 1}\n```', 'Use {x}: {"a": 1} ok?', '{"b": {}} {"a": 1}']
)
def test_object_is_found(text):
    assert json_object(text, "a") == {"a": 1}


@pytest.mark.parametrize("text", ["", "no", '{"a": 1', '{"a": {"b": 2}', "[1]", "{" * 5000])
def test_what_is_not_whole_is_unreadable(text):
    with pytest.raises(UnreadableReply):
        json_object(text, "a")
