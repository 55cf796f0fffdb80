"""The text that decides: the last thing the human said, with context when that is short."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

#: below it, a message ("yes, go on") says too little alone
SHORT = 40
_CONTEXT = 400
#: what agents' harnesses and chat interfaces put around the human's request: tagged blocks, and
#: Open WebUI's template for a question about documents, which begins as its background prompts do
_HARNESS = re.compile(
    r"<(system-reminder|environment_context|environment_details|attached_files|command-[a-z]+)>"
    r".*?</\1>\s*"
    r"|\A\s*### Task:\s+Respond to the user query using the provided context.*</context>\s*(?=\S)",
    re.DOTALL,
)


def text_of(message: Mapping[str, Any]) -> str:
    """The text of one message: its string, or its text parts joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(part for part in parts if isinstance(part, str))


def said(message: Mapping[str, Any]) -> str:
    """The text of one message without what a harness put around it."""
    text = text_of(message)
    if "<" in text:  # each form has one; looking for it is cheap, and most texts have none
        text = _HARNESS.sub("", text)
    return text.strip()


def routing_text(messages: Sequence[Mapping[str, Any]], limit: int) -> str:
    """At most ``limit`` characters; of a longer text the head and the tail are kept."""
    turns = [(m.get("role"), said(m)) for m in messages]
    last = max((i for i, (role, text) in enumerate(turns) if role == "user" and text), default=-1)
    if last < 0:
        return clip("\n".join(text for _, text in turns if text), limit)
    text = turns[last][1]
    if len(text) < SHORT:
        system = next((t for role, t in turns if role in ("system", "developer") and t), "")
        before = next(
            (t for role, t in reversed(turns[:last]) if role in ("user", "assistant")), ""
        )
        context = [clip(part, _CONTEXT) for part in (system, before) if part]
        text = "\n\n".join([*context, text])
    return clip(text, limit)


def clip(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = max(1, (limit - 3) // 2)
    return f"{text[:half]}\n…\n{text[-half:]}"
