"""What OpenAI's own library raises for each error of the service, whichever API was called."""

import openai
from scenarios import meant, raises

#: status → what is raised; all others are an InternalServerError
KINDS = {
    400: openai.BadRequestError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    429: openai.RateLimitError,
}
CODES = {
    "chat/status-401": "provider_auth",
    "brisk/hang": "upstream_timeout",
    "nobody": "model_not_found",
    "clever": "model_ambiguous",
}


async def refused(model, asking):
    status = meant(model)
    kind = KINDS.get(status, openai.InternalServerError)
    return await raises(kind, asking, status_code=status, code=CODES.get(model))
