"""Who may do what: the admin key, or loopback while there is none."""

import hmac
import ipaddress

from sanic import Request

from core.errors import TouchstoneError
from core.settings import Settings


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


def require_admin(request: Request, settings: Settings) -> None:
    """Let the admin key through, and while none is set, this machine alone."""
    if settings.admin_api_key:
        if not same(presented_key(request), settings.admin_api_key):
            raise Forbidden("this needs the admin key, as X-API-Key")
    elif not on_loopback(request):
        raise Forbidden("set ADMIN_API_KEY to reach this from another machine")


def require_chat(request: Request, settings: Settings) -> None:
    """Chat is open unless REQUIRE_AUTH_FOR_CHAT says otherwise."""
    if settings.require_auth_for_chat:
        require_admin(request, settings)
