"""Where a provider is asked, in which format, and how its key travels."""

from urllib.parse import urlsplit

from core.records import Provider, ProviderType

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
