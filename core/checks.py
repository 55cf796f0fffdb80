"""Scores an answer without asking anybody: deterministic matches and format validators.

`deterministic` gives 0 or 10; `formatted` gives 10 × the share of validators that hold.

What no rule here can tell: number words ("eighty"), a lone dot before thousands ("1.000" is one),
a lone comma before three decimals ("1,500" is fifteen hundred), "2,3" as two numbers, dates and
clock times, an answer taken back afterwards ("Perth? No."), several names listed without "or".
A task should ask for the answer alone, on the last line.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jsonschema

_OPENING = r"[ \"'`*_(\[{]*"
#: "not", "isn't", "cannot be", "not on the": a denial and at most one word before the denied
_DENIAL = (
    r"(?:\b(?:not|never|nor|neither|cannot|rather than|instead of)|n't)"
    r"(?: be)?(?: (?!only\b|just\b)[a-z]+)?(?: the| an?)?"
)
_DIGITS = r"(?:\d{1,3}(?:[ \u00a0\u2009\u202f]\d{3}(?!\d))+|\d+)"
_NUMBER = re.compile(
    r"(?<![\w^])(?<!\w[.,])(?<!\^\{)(?:[-+]|\b(?:minus|negative) )?"
    rf"(?:{_DIGITS}(?:[.,'_]\d+)*|(?<!\.)\.\d+)(?:e[-+]?\d+(?!\w))?(?:/-?\d+(?![\d/]))?",
    re.IGNORECASE,
)
_DENIED_NUMBER = re.compile(rf"{_DENIAL}{_OPENING}{_NUMBER.pattern}", re.IGNORECASE)
#: full-width forms, the signs for minus, the Arabic marks
_SIGNS = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | str.maketrans(
    "−–‐‑٫٬’", "----.,'"
)
_STRAIGHT = str.maketrans("’−‐‑", "'---")
_THOUSANDS = re.compile(r"[-+]?[1-9](?:\d{0,2}(?:,\d{3})+|\d?(?:,\d\d)+,\d{3})(?:\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+(?:\.\d{3})*,\d+")
_DOTTED_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3}){2,}")


def _ascii_digits(text: str) -> str:
    return re.sub(r"\d", lambda digit: str(int(digit.group())), text)


def fold(text: str) -> str:
    """Case, accents, scripts of digits and runs of space folded away; curly quotes made straight.

    What cannot be seen (zero-width characters) goes too; a raised digit after a digit stays apart.
    """
    plain = re.sub(r"(?<=\d)(?=[²³¹⁰⁴-⁹])", "^", text.translate(_STRAIGHT))
    plain = unicodedata.normalize("NFKD", plain)
    kept = (char for char in plain if unicodedata.category(char) not in ("Mn", "Me", "Cf"))
    return " ".join(_ascii_digits("".join(kept)).casefold().split())


def deterministic(answer: str, spec: Mapping[str, Any]) -> float:
    """0.0 or 10.0: whether ``answer`` holds one of ``spec['expected']`` by ``spec['match']``.

    ``match``: ``contains`` (whole words and numbers, neither denied nor one of two by "or"),
    ``exact``, ``number`` (within ``tolerance``, the answer's final number) or ``regex``.
    """
    expected = spec["expected"]
    options = expected if isinstance(expected, list) else [expected]
    return 10.0 if _MATCHES[spec.get("match", "contains")](answer, options, spec) else 0.0


def _whole(options: Sequence[Any]) -> str:
    # 80 is not in 180, 80.5, 1,800, 80-90 or 1/80; "80." and "$80" hold it
    longest_first = sorted((fold(str(option)) for option in options), key=len, reverse=True)
    words = "|".join(re.escape(word) for word in longest_first)
    return rf"(?<!\w)(?<!\d[.,/])(?<![-–])(?:{words})(?!\w)(?![.,/–-]\d)"


def _contains(answer: str, options: Sequence[Any], _: Mapping[str, Any]) -> bool:
    text, one = fold(answer), _whole(options)
    # "SQL injection or SQLi" is one answer when both are expected
    for found in re.finditer(rf"{one}(?: or (?:the )?{one})*", text):
        before, after = text[: found.start()][-60:], text[found.end() :][:60]
        denied = re.search(rf"{_DENIAL}{_OPENING}$", before)
        one_of_two = re.search(rf"\bor(?: the| an?| maybe| perhaps)*{_OPENING}$", before)
        if not (denied or one_of_two or re.match(r"[\"'`*_)]* or\b(?! so\b)", after)):
            return True
    return False


def _exact(answer: str, options: Sequence[Any], _: Mapping[str, Any]) -> bool:
    found, *wanted = (fold(str(text)).strip(" .!\"'`*") for text in (answer, *options))
    return found in wanted


def _plain_numbers(text: str) -> str:
    text = text.replace("{,}", ",").replace("\\,", "\u2009")
    return _ascii_digits(text.translate(_SIGNS))


def numbers(text: str) -> list[float]:
    """Every number in ``text``, in digits of any script, with thousands marks or decimal comma."""
    found = _NUMBER.finditer(_plain_numbers(text))
    return [value for match in found for value in _values(match.group())]


def _values(found: str) -> list[float]:
    """The number that is written so; several for "1,2,3", none for a version such as 1.2.3."""
    token = re.sub(r"^(?:minus|negative) ", "-", found, flags=re.IGNORECASE)
    token, _, below = re.sub(r"[ '_\u00a0\u2009\u202f]", "", token).partition("/")
    if _DECIMAL_COMMA.fullmatch(token) and not _THOUSANDS.fullmatch(token):
        token = token.replace(".", "").replace(",", ".")
    elif _THOUSANDS.fullmatch(token) or _DOTTED_THOUSANDS.fullmatch(token):
        token = token.replace(".", "") if "," not in token else token.replace(",", "")
    try:
        values = [float(part) for part in token.split(",")]
        return [*values[:-1], values[-1] / float(below or 1)]
    except (ValueError, ZeroDivisionError):
        return []


def final_number(text: str) -> float | None:
    """The last number that is not denied ("not 80"); None for one of two ("70 or 80", "70-80")."""
    plain = _DENIED_NUMBER.sub(" ", _plain_numbers(text))
    found = [(m, values) for m in _NUMBER.finditer(plain) if (values := _values(m.group()))]
    if not found:
        return None
    last = found[-1][1][-1]
    if len(found) > 1 and found[-2][1][-1] != last:
        (first, _), (second, _) = found[-2:]
        lead = plain[: first.start()][-60:]
        if _leaves_open(lead, plain[first.end() : second.start()]):
            return None
    return last


def _leaves_open(before: str, between: str) -> bool:
    """Whether two numbers with this around them are a choice or a range."""
    if between == "-" or (
        between.strip(" *_`") == "and" and re.search(r"(?i)\bbetween\W*$", before)
    ):
        return True
    close = len(between.split()) <= 6 and not re.search(r"[.:;=\n]", between)
    return close and bool(re.search(r"\bor\b", between, re.IGNORECASE))


def _number(answer: str, options: Sequence[Any], spec: Mapping[str, Any]) -> bool:
    found, tolerance = final_number(answer), float(spec.get("tolerance", 1e-9))
    return found is not None and any(abs(found - float(o)) <= tolerance for o in options)


def _regex(answer: str, options: Sequence[Any], _: Mapping[str, Any]) -> bool:
    return any(re.search(str(o), answer, re.IGNORECASE | re.MULTILINE) for o in options)


_MATCHES: dict[str, Callable[[str, Sequence[Any], Mapping[str, Any]], bool]] = {
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
    return re.findall(r"\w+(?:['’-]\w+|(?<=\d)[.,]\d+)*", text)


_ABBREVIATION = re.compile(r"\b(mr|mrs|ms|dr|st|vs|e\.g|i\.e)\.(?=\s)", re.IGNORECASE)


def _sentences(text: str) -> int:
    # 'She said "Go." Then…' ends one sentence, 'He asked "Why?" and left.' does not
    stops = r"(?<![.!?…])[.!?…]++"
    ends = rf"{stops}(?=\s|$)|{stops}[\"'”’)\]*_]++(?=\s++(?![a-z])|$)|[。！？؟।]+"
    return len([part for part in re.split(ends, _ABBREVIATION.sub(r"\1", text)) if part.strip()])


def _lines(text: str, start: str) -> int:
    return len(re.findall(rf"^[^\S\n]*{start}[^\S\n]+\S", text, re.MULTILINE))


def _unfenced(text: str) -> Any:
    """The JSON value of an answer that is JSON, bare or in one fence; ValueError otherwise."""
    return json.loads(re.sub(r"^```\w*\s*\n|\n```$", "", text.strip()))


_KINDS = {"string": str, "number": int | float, "array": list, "object": dict, "boolean": bool}


def _json_object(text: str, args: Mapping[str, Any]) -> bool:
    try:
        found = _unfenced(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or not set(args.get("keys", ())) <= found.keys():
        return False
    return all(_is_a(kind, found.get(key)) for key, kind in args.get("types", {}).items())


def _is_a(kind: str, value: Any) -> bool:
    # to Python true is a number, to JSON it is not
    return isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _json_schema(text: str, args: Mapping[str, Any]) -> bool:
    try:
        jsonschema.validate(_unfenced(text), args["schema"])
    except (ValueError, RecursionError, jsonschema.ValidationError):
        return False
    return True


def _matches(text: str, args: Mapping[str, Any]) -> bool:
    try:
        return bool(re.search(args["pattern"], text, re.MULTILINE))
    except re.error as exc:
        raise ValueError(f"pattern: {exc}") from exc


def _holds(text: str, word: Any) -> bool:
    return bool(re.search(_whole([word]), fold(text)))


#: validator name → (answer, its arguments) → holds
VALIDATORS: dict[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "word_count": lambda text, args: _between(len(_words(text)), args),
    "max_words": lambda text, args: 0 < len(_words(text)) <= args["max"],
    "sentence_count": lambda text, args: _between(_sentences(text), args),
    "line_count": lambda text, args: _between(len(text.split("\n")) if text else 0, args),
    "bullet_count": lambda text, args: _between(_lines(text, r"[-*•]"), args),
    "numbered_list": lambda text, args: _between(_lines(text, r"\d+[.)]"), args),
    "json_object": _json_object,
    "json_schema": _json_schema,
    "exact_text": lambda text, args: text == args["text"],
    "all_lowercase": lambda text, _: bool(text) and text == text.lower(),
    "no_commas": lambda text, _: bool(text) and not re.search("[,，、،]", text),
    "starts_with": lambda text, args: text.startswith(args["text"]),
    "ends_with": lambda text, args: text.endswith(args["text"]),
    "contains_all": lambda text, args: all(_holds(text, word) for word in args["words"]),
    "excludes": lambda text, args: bool(text) and not any(_holds(text, w) for w in args["words"]),
    "matches": _matches,
}
