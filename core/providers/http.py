"""The one HTTP client: addresses, keys, pace, and driver errors translated where they arise."""

import asyncio
import contextlib
import email.utils
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from core.errors import (
    BadRequest,
    ProviderRefusesKey,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from core.records import Provider, ProviderType

CONNECT_S = 10.0
#: bytes of an error's body that are read
_ERROR_BYTES = 65536
_VERSIONED = ("/v1", "/v1beta/openai", "/api/v1")


def wire_format(provider: Provider) -> ProviderType:
    """Its type; a ``chat_path`` with ``/responses`` selects the Responses format."""
    return "openai-responses" if "/responses" in provider.chat_path else provider.type


def chat_url(provider: Provider) -> str:
    """Where its chat calls go."""
    if provider.chat_path:
        return f"{provider.base_url}/{provider.chat_path.lstrip('/')}"
    match wire_format(provider):
        case "openai-compatible":
            return _versioned(provider.base_url, "chat/completions")
        case "openai-responses":
            host = urlsplit(provider.base_url).hostname or ""
            if host.endswith(".azure.com"):
                return f"{provider.base_url}/openai/v1/responses"
            return _versioned(provider.base_url, "responses")
        case "anthropic":
            return _versioned(provider.base_url, "messages")


def models_url(provider: Provider) -> str:
    return _versioned(provider.base_url, "models")


def embeddings_url(provider: Provider) -> str:
    return _versioned(provider.base_url, "embeddings")


def _versioned(base: str, path: str) -> str:
    return f"{base}/{path}" if base.endswith(_VERSIONED) else f"{base}/v1/{path}"


def auth_headers(provider: Provider, url: str) -> dict[str, str]:
    """The headers that carry the provider's key; none without one."""
    version = {"anthropic-version": "2023-06-01"} if wire_format(provider) == "anthropic" else {}
    if not provider.api_key:
        return version
    if version:
        return {"x-api-key": provider.api_key, **version}
    if "/openai/deployments/" in url:
        return {"api-key": provider.api_key}
    return {"authorization": f"Bearer {provider.api_key}"}


class Pace:
    """Holds one provider's calls apart in time and bounded in number."""

    def __init__(self, provider: Provider) -> None:
        limit = provider.max_concurrency
        self._slots = asyncio.Semaphore(limit) if limit else None
        self._gap_s = provider.rate_limit_seconds
        self._next = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        if self._slots is None and not self._gap_s:
            yield
            return
        async with self._slots or contextlib.nullcontext():
            if self._gap_s:
                now = time.monotonic()
                at = max(now, self._next)
                self._next = at + self._gap_s
                await asyncio.sleep(at - now)
            yield


class Client:
    """One transport for the process, without httpx's client on the hot path."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport or AiohttpTransport(
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=512)
        )
        self._paces: dict[str, Pace] = {}

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def pace(self, provider: Provider) -> Pace:
        found = self._paces.get(provider.name)
        if found is None:
            found = self._paces[provider.name] = Pace(provider)
        return found

    @asynccontextmanager
    async def send(
        self, provider: Provider, url: str, content: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """An open response below 400; its errors, and those of reading it, are ours.

        Waiting for the provider's pace comes before; `UpstreamTimeout` counts silence only.
        """
        headers = auth_headers(provider, url)
        if content is not None:
            headers["content-type"] = "application/json"
        headers["accept-encoding"] = "identity"
        request = httpx.Request(
            "GET" if content is None else "POST",
            _parsed(url),
            headers=headers,
            content=content,
            extensions={"timeout": _timeouts(provider)},
        )
        with translated(provider):
            response = await self._transport.handle_async_request(request)
            try:
                if response.status_code >= 400:
                    raise await _rejection(provider, response)
                yield response
            finally:
                await response.aclose()


#: parsing an address costs more than all else in making a request
_parsed = lru_cache(maxsize=1024)(httpx.URL)


def _timeouts(provider: Provider) -> dict[str, float]:
    silence = provider.timeout_s
    return {"connect": CONNECT_S, "read": silence, "write": silence, "pool": silence}


@contextlib.contextmanager
def translated(provider: Provider) -> Iterator[None]:
    """Driver errors become ours, naming the provider and never its address or key."""
    try:
        yield
    except (httpx.ConnectTimeout, httpx.ConnectError) as exc:
        # the transport files refusals and hang-ups under ConnectTimeout too: its cause tells
        if isinstance(exc.__cause__, TimeoutError):
            raise UpstreamTimeout(f"{provider.name} did not accept a connection in time") from exc
        raise UpstreamError(f"{provider.name} is unreachable or hung up: is it up?") from exc
    except httpx.TimeoutException as exc:
        raise UpstreamTimeout(
            f"{provider.name} was silent for {provider.timeout_s:g} s (its timeout setting)"
        ) from exc
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as exc:
        raise UpstreamError(f"{provider.name} broke off its answer") from exc


async def _rejection(provider: Provider, response: httpx.Response) -> UpstreamError:
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) >= _ERROR_BYTES:
            break
    status = response.status_code
    said = _said(body, provider)
    wait = retry_after_s(response.headers.get("retry-after"))
    if status in (401, 403):
        variable = provider.api_key_env or "api_key_env in providers.json"
        return ProviderRefusesKey(
            f"{provider.name} refuses our key ({status}): check {variable}", body=body
        )
    if status >= 500:
        return UpstreamError(f"{provider.name} failed ({status}){said}", retry_after_s=wait)
    return UpstreamRejected(
        f"{provider.name} answered {status}{said}", status=status, body=body, retry_after_s=wait
    )


def _said(body: bytes, provider: Provider) -> str:
    """The provider's own words, without our key should it repeat it."""
    try:
        found = orjson.loads(body)
        error = found.get("error", found)
        text = error.get("message", "") if isinstance(error, dict) else error
    except (orjson.JSONDecodeError, AttributeError):
        return ""
    text = str(text)[:500]
    if provider.api_key:
        text = text.replace(provider.api_key, "***")
    return f": {text}" if text else ""


def retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header, in either of its forms; None when absent or unreadable."""
    if not value:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


async def read_json(provider: Provider, response: httpx.Response) -> dict[str, Any]:
    """The whole body as an object; an empty, broken or HTML one is the upstream's failure."""
    return object_of(provider, await read_bytes(response))


_ODD = (LookupError, TypeError, AttributeError, ValueError)


@contextlib.contextmanager
def writing(provider: Provider) -> Iterator[None]:
    """A client's body that does not fit into the provider's format is the client's fault."""
    try:
        yield
    except _ODD as exc:
        raise BadRequest(
            f"the request cannot be put into the format of {provider.name}: messages or tools are"
            " not as OpenAI's chat completions have them"
        ) from exc


@contextlib.contextmanager
def reading(provider: Provider) -> Iterator[None]:
    """An answer that is not as its format has it is the provider's fault."""
    try:
        yield
    except _ODD as exc:
        raise UpstreamError(f"{provider.name} answered in an unknown form") from exc


async def read_bytes(response: httpx.Response) -> bytes:
    return b"".join([piece async for piece in response.aiter_raw()])


def object_of(provider: Provider, raw: bytes) -> dict[str, Any]:
    """The JSON object that a provider's bytes are; `UpstreamError` when they are none."""
    if not raw.strip():
        raise UpstreamError(f"{provider.name} answered nothing")
    try:
        found = lenient(raw)
    except (ValueError, RecursionError) as exc:
        raise UpstreamError(f"{provider.name} answered something that is not JSON") from exc
    if not isinstance(found, dict):
        raise UpstreamError(f"{provider.name} answered JSON that is no object")
    return found


def message_of(provider: Provider, completion: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first choice's message; `UpstreamError` when there is none."""
    try:
        found = completion["choices"][0]["message"]
    except (KeyError, IndexError, TypeError) as exc:
        raise UpstreamError(f"{provider.name} answered a completion without a message") from exc
    if not isinstance(found, dict):
        raise UpstreamError(f"{provider.name} answered a completion without a message")
    return found


def lenient(raw: bytes) -> Any:
    """JSON, and what some servers take for it: escapes of half a character become ``?``."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        text = json.dumps(json.loads(raw), ensure_ascii=False)
        return orjson.loads(text.encode("utf-8", "replace"))
