"""Finds the JSON object in a model's text: bare, fenced, or in the midst of chatter."""

import json
import re
from typing import Any

from core.errors import UnreadableReply

_decoder = json.JSONDecoder()
#: a string, closed or cut off, or a mark of structure
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)|[{}\[\],]', re.DOTALL)


def json_object(text: str, *keys: str) -> dict[str, Any]:
    """The first JSON object in ``text`` that has all of ``keys``, or `UnreadableReply`.

    Braces in prose before it ("use {x} …") are passed over. Asking for keys keeps the inner object
    of a reply from passing for the whole. A reply that was cut off at the token limit counts as far
    as it goes, if the keys come before the cut.
    """
    wanted = set(keys)
    at = text.find("{")
    while at != -1:
        for found in (_parsed(text[at:]), _parsed(_closed(text[at:]))):
            if isinstance(found, dict) and found.keys() >= wanted:
                return found
        at = text.find("{", at + 1)
    named = f" with {', '.join(keys)}" if keys else ""
    raise UnreadableReply(f"the reply holds no JSON object{named}")


def _parsed(text: str) -> Any:
    try:
        found, _ = _decoder.raw_decode(text)
    except (json.JSONDecodeError, RecursionError):
        return None
    return found


def _closed(text: str) -> str:
    """``text`` up to the last value that is whole, with what is open there closed; empty when the
    object ends by itself, or when no value in it is whole."""
    open_now: list[str] = []
    cut, closers = 0, ""
    for token in _TOKEN.finditer(text):
        match token.group()[0]:
            case "{" | "[" as char:
                open_now.append("}" if char == "{" else "]")
            case "}" | "]" as char:
                if open_now.pop() != char or not open_now:
                    return ""
            case ",":
                cut, closers = token.start(), "".join(reversed(open_now))
            case _:
                pass  # a string, whatever it holds
    return text[:cut] + closers
