"""OpenAI's Responses, to and from chat completions; pure."""

from core.providers.responses import reply, request, stream

__all__ = ["reply", "request", "stream"]
