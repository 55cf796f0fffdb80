"""Starts flow runs by asking the Prefect server over HTTP; Prefect itself is not imported."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from core.errors import PrefectUnavailable

logger = logging.getLogger(__name__)

_PAUSES_S = (0.3, 0.6, 1.2, 2.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    flow_run_id: str
    #: the run's page in the Prefect UI
    url: str


async def start_flow(api_url: str, flow: str, parameters: Mapping[str, Any]) -> Started:
    """Create a run of the deployment ``flow/flow``; `PrefectUnavailable` says what to do."""
    if not api_url:
        raise PrefectUnavailable("no Prefect server is set: PREFECT_API_URL, or `touchstone up`")
    name = flow.replace("_", "-")
    try:
        async with httpx.AsyncClient(base_url=api_url, timeout=10) as client:
            found = await _ask(client, "GET", f"/deployments/name/{name}/{name}")
            if found.status_code == httpx.codes.NOT_FOUND:
                raise PrefectUnavailable(f"Prefect has no deployment {name}: is the runner up?")
            found.raise_for_status()
            body = {"parameters": dict(parameters), "state": {"type": "SCHEDULED"}}
            address = f"/deployments/{found.json()['id']}/create_flow_run"
            created = await _ask(client, "POST", address, body)
            created.raise_for_status()
    except httpx.HTTPStatusError as exc:
        detail = exc.response.text[:300]
        raise PrefectUnavailable(f"Prefect refused to start {name}: {detail}") from exc
    except httpx.HTTPError as exc:
        raise PrefectUnavailable("the Prefect server is away; chat goes on without it") from exc
    run_id = created.json()["id"]
    ui = api_url.removesuffix("/api")
    return Started(flow_run_id=run_id, url=f"{ui}/runs/flow-run/{run_id}")


async def _ask(
    client: httpx.AsyncClient, method: str, address: str, body: Any = None
) -> httpx.Response:
    """Prefect's answer; asked again while it is busy: on SQLite colliding writers get a 503."""
    for pause_s in _PAUSES_S:
        answer = await client.request(method, address, json=body)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return answer
        await asyncio.sleep(pause_s)
    return await client.request(method, address, json=body)


async def cancel_flow(api_url: str, flow_run_id: str) -> None:
    """Ask Prefect to cancel a flow run; an already finished one is left alone."""
    try:
        async with httpx.AsyncClient(base_url=api_url, timeout=10) as client:
            answer = await client.post(
                f"/flow_runs/{flow_run_id}/set_state",
                json={"state": {"type": "CANCELLING"}, "force": False},
            )
            answer.raise_for_status()
    except httpx.HTTPError as exc:
        raise PrefectUnavailable("the Prefect server did not take the cancellation") from exc
