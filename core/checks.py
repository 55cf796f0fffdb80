"""Scores an answer without asking anybody: deterministic matches and format validators.

`deterministic` gives 0 or 10; `formatted` gives 10 × the share of validators that hold.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema

_NUMBER = re.compile(r"(?<![\w.,])[-+−]?(?:\d{1,3}(?:[,\u00a0\u202f' ]\d{3})+|\d+)(?:\.\d+)?")


def fold(text: str) -> str:
    """Case, accents and runs of space folded away; curly quotes made straight."""
    plain = unicodedata.normalize("NFKD", text.replace("’", "'").replace("−", "-"))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(plain.casefold().split())


def deterministic(answer: str, spec: Mapping[str, Any]) -> float:
    """0.0 or 10.0: whether ``answer`` holds one of ``spec['expected']`` by ``spec['match']``.

    ``match``: ``contains`` (whole words and numbers), ``exact``, ``number`` (within ``tolerance``,
    the last number of the answer) or ``regex``.
    """
    expected = spec["expected"]
    options = expected if isinstance(expected, list) else [expected]
    match = _MATCHES[spec.get("match", "contains")]
    return 10.0 if any(match(answer, option, spec) for option in options) else 0.0


def _contains(answer: str, option: Any, _: Mapping[str, Any]) -> bool:
    wanted = re.escape(fold(str(option)))
    # 80 is not in 180, 80.5 or 1,800; "80." and "$80" hold it
    return bool(re.search(rf"(?<!\w)(?<!\d[.,])(?<!-){wanted}(?!\w)(?![.,]\d)", fold(answer)))


def _exact(answer: str, option: Any, _: Mapping[str, Any]) -> bool:
    return fold(answer).strip(" .!\"'`*") == fold(str(option)).strip(" .!\"'`*")


def numbers(text: str) -> list[float]:
    """Every number in ``text``; thousands may be parted by comma, space or apostrophe."""
    found = []
    for match in _NUMBER.finditer(text):
        digits = re.sub(r"[,\u00a0\u202f' ]", "", match.group()).replace("−", "-")
        found.append(float(digits))
    return found


def _number(answer: str, option: Any, spec: Mapping[str, Any]) -> bool:
    found = numbers(answer)
    return bool(found) and abs(found[-1] - float(option)) <= float(spec.get("tolerance", 1e-9))


def _regex(answer: str, option: Any, _: Mapping[str, Any]) -> bool:
    return bool(re.search(str(option), answer, re.IGNORECASE | re.MULTILINE))


_MATCHES: dict[str, Callable[[str, Any, Mapping[str, Any]], bool]] = {
    "contains": _contains,
    "exact": _exact,
    "number": _number,
    "regex": _regex,
}


def formatted(answer: str, spec: Mapping[str, Any]) -> float:
    """10 × the share of ``spec['validators']`` (``{"name": …, arguments}``) that hold."""
    validators = spec["validators"]
    held = sum(VALIDATORS[entry["name"]](answer.strip(), entry) for entry in validators)
    return 10.0 * held / len(validators)


def _between(count: int, args: Mapping[str, Any]) -> bool:
    if "exactly" in args:
        return count == args["exactly"]
    return args.get("min", 0) <= count <= args.get("max", float("inf"))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+(?:['’-]\w+)*", text)


def _sentences(text: str) -> int:
    return len([part for part in re.split(r"[.!?…]+(?=\s|$)", text) if part.strip()])


def _lines(text: str, start: str) -> int:
    return len(re.findall(rf"^\s*{start}\s+\S", text, re.MULTILINE))


def _unfenced(text: str) -> Any:
    """The JSON value of an answer that is JSON, bare or in one fence; ValueError otherwise."""
    return json.loads(re.sub(r"^```\w*\s*\n|\n```$", "", text.strip()))


def _json_object(text: str, args: Mapping[str, Any]) -> bool:
    kinds = {"string": str, "number": (int, float), "array": list, "object": dict, "boolean": bool}
    try:
        found = _unfenced(text)
    except ValueError:
        return False
    if not isinstance(found, dict) or not set(args.get("keys", ())) <= found.keys():
        return False
    return all(isinstance(found.get(k), kinds[kind]) for k, kind in args.get("types", {}).items())


def _json_schema(text: str, args: Mapping[str, Any]) -> bool:
    try:
        jsonschema.validate(_unfenced(text), args["schema"])
    except (ValueError, jsonschema.ValidationError):
        return False
    return True


#: validator name → (answer, its arguments) → holds
VALIDATORS: dict[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "word_count": lambda text, args: _between(len(_words(text)), args),
    "max_words": lambda text, args: 0 < len(_words(text)) <= args["max"],
    "sentence_count": lambda text, args: _between(_sentences(text), args),
    "bullet_count": lambda text, args: _between(_lines(text, r"[-*•]"), args),
    "numbered_list": lambda text, args: _between(_lines(text, r"\d+[.)]"), args),
    "json_object": _json_object,
    "json_schema": _json_schema,
    "exact_text": lambda text, args: text == args["text"],
    "all_lowercase": lambda text, _: bool(text) and text == text.lower(),
    "no_commas": lambda text, _: bool(text) and "," not in text,
    "starts_with": lambda text, args: text.startswith(args["text"]),
    "ends_with": lambda text, args: text.endswith(args["text"]),
    "contains_all": lambda text, args: all(_contains(text, w, {}) for w in args["words"]),
}
