"""Templates to responses, under a policy that lets no inline script or style run."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sanic import HTTPResponse, Request
from sanic.response import html as html_response

from serve.service import Service

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_NAV = (("Models", "/admin"), ("Configuration", "/admin/config"))
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
    "vary": "HX-Request",
}


def _version() -> str:
    try:
        return version("touchstone-router")
    except PackageNotFoundError:
        return "from a checkout"


_VERSION = _version()


def render(template: str, context: Mapping[str, Any]) -> str:
    """A partial as text."""
    return _environment.get_template(template).render(context)


def html(
    request: Request, template: str, context: Mapping[str, Any], *, status: int = 200
) -> HTTPResponse:
    """A page."""
    service: Service = request.app.ctx.service
    locked = bool(service.settings.admin_api_key)
    frame = {
        "nav": [{"name": name, "url": url, "current": request.path == url} for name, url in _NAV],
        "signed_in": locked and request.path != "/admin/login",
        "unlocked": not locked,
        "version": _VERSION,
    }
    return html_response(render(template, {**frame, **context}), status=status, headers=HEADERS)


def partial(template: str, context: Mapping[str, Any], *, status: int = 200) -> HTTPResponse:
    """What htmx swaps in: the same file that the page includes."""
    return html_response(render(template, context), status=status, headers=HEADERS)


def wants_partial(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"
