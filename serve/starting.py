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


async def start_flow(service: Service, flow: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Create the run here and in Prefect, so that its progress shows from the first moment."""
    run_id = uuid.uuid4().hex
    parameters: dict[str, Any] = {"run_id": run_id}
    if body.get("models") and flow != "discover_models":
        parameters["models"] = [_model_id(entry) for entry in body["models"]]
    for key in ("category", "tasks", "repeats"):
        if body.get(key) and flow == "run_benchmarks":
            parameters[key] = body[key]
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
