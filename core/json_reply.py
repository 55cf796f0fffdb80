"""Finds the JSON object in a model's text: bare, fenced, or in the midst of chatter."""

import json
from typing import Any

from core.errors import UnreadableReply

_decoder = json.JSONDecoder()


def json_object(text: str, *keys: str) -> dict[str, Any]:
    """The first JSON object in ``text`` that has all of ``keys``, or `UnreadableReply`.

    Braces in prose before it ("use {x} …") are passed over. Asking for keys keeps the inner object
    of a reply that was cut off from passing for the whole.
    """
    at = text.find("{")
    while at != -1:
        try:
            found, _ = _decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            found = None
        if isinstance(found, dict) and found.keys() >= set(keys):
            return found
        at = text.find("{", at + 1)
    wanted = f" with {', '.join(keys)}" if keys else ""
    raise UnreadableReply(f"the reply holds no JSON object{wanted}")
