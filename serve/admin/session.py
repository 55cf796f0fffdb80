"""Who may see the admin, and who sent the form: session cookie, loopback rule, CSRF check.

The cookie holds when it ends and a signature made with the admin key: a new key logs all out.
"""

import hashlib
import hmac
import time
from collections import deque
from urllib.parse import urlsplit

from sanic import HTTPResponse, Request
from sanic.response import redirect

from core.settings import Settings
from serve.admin.render import html
from serve.auth import Forbidden, is_local, presented_key, same
from serve.service import Service

COOKIE = "touchstone_session"
_LIFE_S = 12 * 3600
#: of a moment in seconds, for some thousand years to come
_DIGITS = 12
_TRIES, _WINDOW_S = 10, 60.0
#: moments of the last failed sign-ins of this process
_failures: deque[float] = deque(maxlen=_TRIES)


def guard(request: Request) -> HTTPResponse | None:
    """Called before each admin page: None lets it through, a response sends it elsewhere."""
    service: Service = request.app.ctx.service
    settings = service.settings
    if request.method == "POST" and not presented_key(request):
        require_same_origin(request)
    if request.path == "/admin/login":
        return None
    if not settings.admin_api_key:
        if is_local(request):
            return None
        raise Forbidden("set ADMIN_API_KEY to reach the admin from another machine")
    if key := presented_key(request):
        if same(key, settings.admin_api_key):
            return None
        raise Forbidden("that is not the admin key")
    if signed_in(request):
        return None
    return redirect("/admin/login", status=303)


def require_same_origin(request: Request) -> None:
    """A form may only come from a page of ours (Fetch Metadata, else the Origin header)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Forbidden("this form was sent from another site")
        return
    if _origin(request) != request.headers.get("host"):
        raise Forbidden("this form does not say that it comes from here")


def _origin(request: Request) -> str:
    """The host of the page that sent the form; empty when it does not say."""
    try:
        return urlsplit(request.headers.get("origin") or "").netloc
    except ValueError:
        return ""


def signed_in(request: Request) -> bool:
    settings: Settings = request.app.ctx.service.settings
    ends, _, signature = (request.cookies.get(COOKIE) or "").partition(".")
    ours = len(ends) <= _DIGITS and ends.isdecimal()
    if not settings.admin_api_key or not ours or int(ends) < time.time():
        return False
    return same(signature, _signature(settings, ends))


def _signature(settings: Settings, ends: str) -> str:
    key = hashlib.sha256(b"touchstone session " + settings.admin_api_key.encode()).digest()
    return hmac.new(key, ends.encode(), hashlib.sha256).hexdigest()


async def login_page(request: Request) -> HTTPResponse:
    """GET /admin/login"""
    return html(request, "pages/login.html", {"error": None})


async def login(request: Request) -> HTTPResponse:
    """POST /admin/login: the admin key for a session of twelve hours."""
    settings: Settings = request.app.ctx.service.settings
    now = time.monotonic()
    if len(_failures) == _TRIES and now - _failures[0] < _WINDOW_S:
        wrong = {"error": "Too many tries: wait a minute."}
        return html(request, "pages/login.html", wrong, status=429)
    key = (request.form or {}).get("key") or ""
    if not settings.admin_api_key or not same(key, settings.admin_api_key):
        _failures.append(now)
        return html(request, "pages/login.html", {"error": "That is not the key."}, status=422)
    ends = str(int(time.time()) + _LIFE_S)
    response = redirect("/admin", status=303)
    response.add_cookie(
        COOKIE,
        f"{ends}.{_signature(settings, ends)}",
        max_age=_LIFE_S,
        httponly=True,
        samesite="Lax",
        secure=request.scheme == "https",
        path="/admin",
    )
    return response


async def logout(_request: Request) -> HTTPResponse:
    """POST /admin/logout"""
    response = redirect("/admin/login", status=303)
    response.delete_cookie(COOKIE, path="/admin")
    return response
