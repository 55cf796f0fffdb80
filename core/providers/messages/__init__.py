"""Anthropic's Messages, to and from chat completions; pure."""

from core.providers.messages import reply, request, stream

__all__ = ["reply", "request", "stream"]
