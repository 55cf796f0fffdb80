"""Starts flows: a run is stored here and made in Prefect, so that its progress shows at once."""

import uuid
from collections.abc import Mapping
from typing import Any

from core.errors import BadRequest
from core.records import Run
from core.store import runs
from serve import deployments
from serve.service import Service

#: what the addresses say → the flow
FLOWS = {
    "discover": "discover_models",
    "tag": "interview_models",
    "benchmark": "run_benchmarks",
    "update": "refresh_all",
}

_MODELS = {"models": (list, "a list of models")}
#: what each flow may be given: name → type, and how that reads
_PARAMETERS: Mapping[str, Mapping[str, tuple[type, str]]] = {
    "discover_models": {},
    "interview_models": _MODELS,
    "run_benchmarks": {
        **_MODELS,
        "category": (str, "text"),
        "tasks": (list, "a list of task ids"),
        "repeats": (int, "a whole number from 1"),
    },
    "refresh_all": {},
}


async def start_flow(service: Service, flow: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create the run here and in Prefect, so that its progress shows from the first moment."""
    run_id = uuid.uuid4().hex
    parameters: dict[str, Any] = {"run_id": run_id}
    for key, (kind, said) in _PARAMETERS[flow].items():
        if body.get(key) in (None, ""):
            continue
        wrong = not isinstance(body[key], kind) or isinstance(body[key], bool)
        if wrong or (kind is int and body[key] < 1):
            raise BadRequest(f"{key} must be {said}", param=key)
        parameters[key] = body[key]
    if "models" in parameters:
        parameters["models"] = [_model_id(entry) for entry in parameters["models"]]
    started = await deployments.start_flow(service.settings.prefect_api_url, flow, parameters)
    await runs.start_run(
        service.pool,
        Run(id=run_id, flow=flow, state="running", trigger="api", params=parameters),
    )
    await runs.attach_prefect_run(service.pool, run_id, started.flow_run_id)
    return {
        "status": "accepted",
        "message": f"{flow} is on its way",
        "run_id": run_id,
        "prefect_flow_run_id": started.flow_run_id,
        "url": started.url,
    }


def _model_id(entry: Any) -> str:
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise BadRequest('models must hold names, or {"name", "source"} objects', param="models")
    source = entry.get("source")
    return f"{source}/{entry['name']}" if source else entry["name"]
