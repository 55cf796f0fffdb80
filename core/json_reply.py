"""Finds the JSON object in a model's text: bare, fenced, or in the midst of chatter."""

import json
import re
from typing import Any

from core.errors import UnreadableReply

_decoder = json.JSONDecoder()
#: where an object may begin; braces of code and prose rarely look so
_START = re.compile(r'\{(?=\s*["}])')
#: of them, how many from either end are tried, and how many characters are looked at: the work
#: stays bounded whatever a model rambles
_TRIED = 24
_LONGEST = 65_536
_DEEPEST = 100
#: a string, closed or cut off, or a mark of structure
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)|[{}\[\],]', re.DOTALL)


def json_object(text: str, *keys: str) -> dict[str, Any]:
    """The first JSON object in ``text`` that has all of ``keys``, or `UnreadableReply`.

    Braces in prose before it ("use {x} …") are passed over. Asking for keys keeps the inner object
    of a reply from passing for the whole. A reply that was cut off at the token limit counts as far
    as it goes, if the keys come before the cut.
    """
    wanted = set(keys)
    text = text[:_LONGEST]
    starts = [match.start() for match in _START.finditer(text)]
    for at in starts if len(starts) <= 2 * _TRIED else starts[:_TRIED] + starts[-_TRIED:]:
        for found in (_parsed(text[at:]), _parsed(_closed(text[at:]))):
            if isinstance(found, dict) and found.keys() >= wanted:
                return found
    named = f" with {', '.join(keys)}" if keys else ""
    raise UnreadableReply(f"the reply holds no JSON object{named}")


def _parsed(text: str) -> Any:
    try:
        found, _ = _decoder.raw_decode(text)
    except (ValueError, RecursionError):  # ValueError too for a number of thousands of digits
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
                if len(open_now) > _DEEPEST:
                    return ""
            case "}" | "]" as char:
                if open_now.pop() != char or not open_now:
                    return ""
            case ",":
                cut, closers = token.start(), "".join(reversed(open_now))
            case _:
                pass  # a string, whatever it holds
    return text[:cut] + closers
