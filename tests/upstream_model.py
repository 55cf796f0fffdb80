"""What a scripted model understands and answers; no wire format is known here."""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Asked:
    """A request, whatever its format."""

    questions: list[str] = field(default_factory=list)
    system: str = ""
    #: results of tools that came after the last question
    results: list[str] = field(default_factory=list)
    #: names of the tools called after the last question
    called: list[str] = field(default_factory=list)
    #: name → JSON schema of its arguments
    tools: dict[str, Any] = field(default_factory=dict)
    #: ``auto``, ``none``, ``required`` or a tool's name
    choice: str = "auto"
    #: JSON schema of the answer; an empty one: any JSON object
    schema: dict[str, Any] | None = None
    #: media types of the pictures
    images: list[str] = field(default_factory=list)
    #: pictures whose bytes are of another kind than their media type says
    mislabelled: list[str] = field(default_factory=list)
    #: most tokens of the answer; 0: none set
    limit: int = 0

    def ask(self, content):
        """A user's content: text, or parts of any of the formats."""
        self.questions.append(text_of(content))
        self.results, self.called = [], []
        self.look(content)

    def answer(self, content):
        """What a tool gave."""
        self.results.append(text_of(content))
        self.look(content)

    def look(self, content):
        """Note the pictures among the parts."""
        for part in content if isinstance(content, list) else ():
            if "image" in part["type"]:
                media, data = picture_in(part)
                self.images.append(media)
                if kind_of(base64.b64decode(data)) != media:
                    self.mislabelled.append(media)


@dataclass
class Said:
    """An answer, whatever its format."""

    text: str = ""
    #: (id, name, arguments as JSON)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    thinking: str = ""
    #: stopped at the limit of tokens
    cut: bool = False

    @property
    def tokens(self):
        return len(self.text.split()) + 3 * len(self.calls)

    @property
    def pieces(self):
        return re.findall(r"\S+\s*", self.text) or [""]


def picture_in(part):
    """(media type, base64) of a picture in any of the formats."""
    if source := part.get("source"):
        return source["media_type"], source["data"]
    url = part["image_url"]
    media, _, data = (url if isinstance(url, str) else url["url"])[5:].partition(";base64,")
    return media, data


def text_of(content):
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content if isinstance(part, dict)).strip()
    return content or ""


def kind_of(data):
    known = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
    return next((kind for head, kind in known.items() if data.startswith(head)), "unknown")


def clever(asked):
    """The answer of a model that uses tools, keeps to a schema and tells what it received."""
    if names := wanted_tools(asked):
        return Said(calls=[(f"call_{len(asked.questions)}_{n}", name, json.dumps(
            fitting(asked.tools[name]))) for n, name in enumerate(names)])  # fmt: skip
    if asked.schema is not None:
        return Said(text=json.dumps(fitting(asked.schema) if asked.schema else {"answer": "Paris"}))
    told = [f"question {len(asked.questions)} was: {asked.questions[-1]}"]
    if asked.system:
        told.append(f"told to: {asked.system}")
    if asked.results:
        told.append(f"the tools say: {' and '.join(asked.results)}")
    if asked.images:
        told.append(f"{len(asked.images)} images: {', '.join(asked.images)}")
    words = "; ".join(told).split(" ")
    cut = 0 < asked.limit < len(words)
    return Said(text=" ".join(words[: asked.limit] if cut else words), cut=cut)


def wanted_tools(asked):
    """The tools to call now: none after results unless one is demanded, all for 'every tool'."""
    if asked.choice == "none" or not asked.tools:
        return []
    if asked.choice in asked.tools:
        return [asked.choice]
    left = [name for name in asked.tools if name not in asked.called]
    if asked.choice == "required":
        return left[:1]
    if asked.results or asked.called:
        return []
    return left if "every tool" in asked.questions[-1] else left[:1]


def fitting(schema, root=None):
    """A value that a JSON schema admits."""
    root = root or schema
    if "$ref" in schema:
        found = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return fitting(found, root)
    for name in ("anyOf", "oneOf", "allOf", "enum"):
        if name in schema:
            first = schema[name][0]
            return first if name == "enum" else fitting(first, root)
    return schema["const"] if "const" in schema else of_kind(schema, root)


def of_kind(schema, root):
    kind = schema.get("type", "object")
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            return {n: fitting(s, root) for n, s in schema.get("properties", {}).items()}
        case "array":
            return [fitting(schema.get("items", {}), root)] * max(1, schema.get("minItems", 1))
        case "string":
            return "Paris"
        case "boolean":
            return True
        case "null":
            return None
    return max(7, schema.get("minimum", 7))
