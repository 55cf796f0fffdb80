"""The one HTTP client, with driver errors translated where they arise."""

import contextlib
import email.utils
import json
import re
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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
from core.records import Provider

CONNECT_S = 10.0
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
            found = self._paces[provider.name] = Pace(provider, self._shared)
        return found

    async def open(
        self,
        provider: Provider,
        url: str,
        content: bytes | None = None,
        more: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """An open response below 400, to be closed by the caller; ``more`` are headers.

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
            extensions={"timeout": _timeouts(provider)},
        )
        with translated(provider):
            response = await self._transport.handle_async_request(request)
            if response.status_code < 400:
                return response
            try:
                raise await _rejection(provider, response)
            finally:
                await response.aclose()

    async def read(self, provider: Provider, url: str, content: bytes | None = None) -> bytes:
        """The whole body of an answer below 400."""
        return await read_bytes(provider, await self.open(provider, url, content))


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


async def read_bytes(provider: Provider, response: httpx.Response) -> bytes:
    """The whole body; the response is closed, whatever happens."""
    with translated(provider):
        try:
            return b"".join([piece async for piece in response.aiter_raw()])
        finally:
            await response.aclose()


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
