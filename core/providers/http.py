"""The one HTTP client, with driver errors translated where they arise."""

import asyncio
import contextlib
import email.utils
import json
import re
import time
from collections.abc import AsyncIterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from core.errors import (
    ProviderRefusesKey,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from core.providers.addresses import auth_headers
from core.providers.pace import Pace
from core.providers.quirks import Quirks
from core.providers.silence import Silence
from core.records import Provider

CONNECT_S = 10.0
#: seconds that an unused connection is kept
_KEEPALIVE_S = 15.0
#: bytes of an error's body that are read
_ERROR_BYTES = 65536
#: how providers say that the account has no money left
_EXHAUSTED = re.compile(
    r"credit balance|insufficient (credits|funds|balance|.?quota)|exceeded your current quota"
    r"|budget (has been |is )?(exceeded|exhausted)|billing (hard )?limit|out of credits",
    re.IGNORECASE,
)


class Client:
    """One transport for the process, without httpx's client on the hot path."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport | None = None, shared: Path | None = None
    ) -> None:
        """``shared``: the directory of all processes that keep the providers' limits together."""
        self._shared = shared
        self.quirks = Quirks()
        self._transport = transport or AiohttpTransport(client=_session)
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
            found = self._paces[provider.name] = Pace(provider, self._shared)
        return found

    async def open(
        self,
        provider: Provider,
        url: str,
        content: bytes | None = None,
        more: Mapping[str, str] | None = None,
    ) -> "Incoming":
        """An answer below 400, begun; ``more`` are headers. The caller closes it.

        Waiting for the provider's pace comes before; `UpstreamTimeout` counts silence only.
        """
        headers = {**(more or {}), **auth_headers(provider, url), "accept-encoding": "identity"}
        if content is not None:
            headers["content-type"] = "application/json"
        request = httpx.Request(
            "GET" if content is None else "POST",
            _parsed(url),
            headers=headers,
            content=content,
            extensions=_TIMEOUTS,
        )
        silence = Silence(provider.timeout_s)
        try:
            with translated(provider, silence):
                silence.begins()
                response = await self._transport.handle_async_request(request)
            found = Incoming(provider, response, silence)
        except BaseException:
            silence.close()
            raise
        if response.status_code < 400:
            return found
        try:
            raise _rejection(provider, response, await found.read(_ERROR_BYTES))
        finally:
            await found.aclose()

    async def read(self, provider: Provider, url: str, content: bytes | None = None) -> bytes:
        """The whole body of an answer below 400."""
        answer = await self.open(provider, url, content)
        try:
            return await answer.read()
        finally:
            await answer.aclose()


class Incoming:
    """An answer that has begun: pieces of its body, and the silence between them."""

    __slots__ = ("_response", "pieces", "provider", "silence")

    def __init__(self, provider: Provider, response: httpx.Response, silence: Silence) -> None:
        self.provider, self.silence = provider, silence
        self._response = response
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        self.pieces: AsyncIterable[bytes] = stream

    async def read(self, most: int | None = None) -> bytes:
        """The whole body, or its beginning as soon as ``most`` bytes are there."""
        found: list[bytes] = []
        size = 0
        with translated(self.provider, self.silence):
            self.silence.begins()
            async for piece in self.pieces:
                found.append(piece)
                size += len(piece)
                if most is not None and size >= most:
                    break
                self.silence.begins()
            self.silence.ends()
        return b"".join(found)

    async def aclose(self) -> None:
        self.silence.close()
        await self._response.aclose()


def _session() -> aiohttp.ClientSession:
    """No limit of connections, for providers have limits of their own; and no cookies, which would
    carry one client's state to the next."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


#: silence is counted by `Silence`
_TIMEOUTS: dict[str, Any] = {"timeout": {"connect": CONNECT_S}}
#: parsing an address costs more than all else in making a request
_parsed = lru_cache(maxsize=1024)(httpx.URL)


@contextlib.contextmanager
def translated(provider: Provider, silence: Silence | None = None) -> Iterator[None]:
    """Driver errors become ours, naming the provider and never its address or key."""
    try:
        yield
    except asyncio.CancelledError:
        if silence is None or not silence.caused():
            raise
        raise UpstreamTimeout(
            f"{provider.name} was silent for {provider.timeout_s:g} s (its timeout setting)"
        ) from None
    except (httpx.ConnectTimeout, httpx.ConnectError) as exc:
        # the transport files refusals and hang-ups under ConnectTimeout too: its cause tells
        if isinstance(exc.__cause__, TimeoutError):
            raise UpstreamTimeout(f"{provider.name} did not accept a connection in time") from exc
        raise UpstreamError(f"{provider.name} is unreachable or hung up: is it up?") from exc
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as exc:
        raise UpstreamError(f"{provider.name} broke off its answer") from exc


def _rejection(provider: Provider, response: httpx.Response, body: bytes) -> UpstreamError:
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
    exhausted = status == 402 or (status in (400, 429) and bool(_EXHAUSTED.search(said)))
    refusal = UpstreamRejected(
        f"{provider.name} answered {status}{said}",
        status=status,
        body=body,
        retry_after_s=wait,
        exhausted=exhausted,
    )
    refusal.said = said.removeprefix(": ")
    return refusal


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


#: what an answer of unknown form raises while it is read
_ODD = (LookupError, TypeError, AttributeError, ValueError)


@contextlib.contextmanager
def reading(provider: Provider) -> Iterator[None]:
    """An answer that is not as its format has it is the provider's fault."""
    try:
        yield
    except _ODD as exc:
        raise UpstreamError(f"{provider.name} answered in an unknown form") from exc


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
