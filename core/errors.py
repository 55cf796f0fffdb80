"""Every error that Touchstone raises on purpose.

    TouchstoneError                 500
    ├── SettingsError               500  a setting that cannot be; stops the start with one line
    ├── BadRequest                  400  the client sent something unreadable
    │   ├── NotFound                404
    │   │   └── ModelNotFound       404
    │   ├── Conflict                409  it comes too late, or twice
    │   └── AmbiguousModel          409
    ├── NothingRoutable             503  no model may take this request
    ├── StoreUnavailable            503  the database is away
    ├── PrefectUnavailable          503
    ├── UnreadableReply             502  a model's text holds not what was asked for
    └── UpstreamError               502  a provider failed us
        ├── UpstreamTimeout         504
        ├── UpstreamRejected        its own 4xx
        └── ProviderRefusesKey      502  401 or 403: our key, not the client's

Each carries ``status`` (HTTP) and a message fit for strangers: no key, no address with a key.
"""

from collections.abc import Mapping
from typing import Any

import orjson


class TouchstoneError(Exception):
    status: int = 500
    #: the word OpenAI's dialect uses for this error's ``type``
    type: str = "api_error"
    code: str | None = None
    param: str | None = None

    @property
    def message(self) -> str:
        return str(self)

    @property
    def told(self) -> str:
        """What the client is told."""
        return self.message


class SettingsError(TouchstoneError):
    """Names the key, the value and what is allowed, in one line."""


class BadRequest(TouchstoneError):
    status = 400
    type = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class NotFound(BadRequest):
    status = 404

    def __init__(self, message: str, *, param: str | None = None, code: str = "not_found") -> None:
        super().__init__(message, param=param, code=code)


class ModelNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"the model {name!r} does not exist here; GET /models lists what does",
            param="model",
            code="model_not_found",
        )


class Conflict(BadRequest):
    status = 409


class AmbiguousModel(BadRequest):
    status = 409

    def __init__(self, name: str, ids: list[str]) -> None:
        super().__init__(
            f"several providers have a model {name!r}; say which: {', '.join(ids)}",
            param="model",
            code="model_ambiguous",
        )


class NothingRoutable(TouchstoneError):
    status = 503
    code = "no_model"


class StoreUnavailable(TouchstoneError):
    status = 503
    code = "database_unavailable"


class PrefectUnavailable(TouchstoneError):
    status = 503
    code = "prefect_unavailable"


class UnreadableReply(TouchstoneError):
    status = 502
    code = "unreadable_reply"


class UpstreamError(TouchstoneError):
    """A provider failed: unreachable, 5xx, or a broken body."""

    status = 502
    code = "upstream_error"
    #: another try, or another model, may do better
    transient: bool = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        body: bytes = b"",
        retry_after_s: float | None = None,
        exhausted: bool = False,
    ) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status
        self.body = body
        self.retry_after_s = retry_after_s
        #: the account has no money left, so that asking again is of no use
        self.exhausted = exhausted


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class UpstreamRejected(UpstreamError):
    """A 4xx that the provider means for this request; only a few of them pass by themselves."""

    type = "invalid_request_error"
    #: the provider's own words, without our key; empty when it had none
    said: str = ""

    @property
    def told(self) -> str:
        return self.said or self.message

    @property
    def error(self) -> Mapping[str, Any]:
        """The provider's own error object; empty when it sent none."""
        try:
            found = orjson.loads(self.body)
            error = found.get("error", found)
        except (orjson.JSONDecodeError, AttributeError):
            return {}
        return error if isinstance(error, dict) else {}

    @property
    def transient(self) -> bool:  # type: ignore[override]
        return self.exhausted or self.status in {408, 409, 425, 429}


class ProviderRefusesKey(UpstreamError):
    transient = False
    code = "provider_auth"
