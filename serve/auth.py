"""Who may do what: the admin key, or loopback while there is none."""

import hmac
import ipaddress
from urllib.parse import urlsplit

from sanic import Request

from core.errors import TouchstoneError
from core.settings import Settings

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Forbidden(TouchstoneError):
    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


def presented_key(request: Request) -> str:
    """The key of ``X-API-Key`` or of a bearer token; empty without one."""
    bearer = request.headers.get("authorization", "")
    scheme, _, token = bearer.partition(" ")
    return request.headers.get("x-api-key", "") or (token if scheme.lower() == "bearer" else "")


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def on_loopback(request: Request) -> bool:
    """Whether the connection itself comes from this machine; no header is believed."""
    try:
        return ipaddress.ip_address(request.ip or "127.0.0.1").is_loopback
    except ValueError:
        return False


def is_local(request: Request) -> bool:
    """Whether it comes from this machine by this machine's own name: a page of a stranger's whose
    name was made to point here (DNS rebinding) sends another Host."""
    return on_loopback(request) and _host(request) in _LOCAL_NAMES


def _host(request: Request) -> str:
    try:
        return (urlsplit(f"//{request.headers.get('host', '')}").hostname or "").lower()
    except ValueError:
        return ""


def require_admin(request: Request, settings: Settings) -> None:
    """Let the admin key through, and while none is set, this machine alone."""
    if settings.admin_api_key:
        if not same(presented_key(request), settings.admin_api_key):
            raise Forbidden("this needs the admin key, as X-API-Key")
    elif not is_local(request):
        raise Forbidden("set ADMIN_API_KEY to reach this from another machine")
    elif request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Forbidden("a page of another site may not do this; set ADMIN_API_KEY")


def require_chat(request: Request, settings: Settings) -> None:
    """Chat is open unless REQUIRE_AUTH_FOR_CHAT says otherwise."""
    if settings.require_auth_for_chat:
        require_admin(request, settings)
