"""Health, readiness, metrics and version for programs."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from appliance.access_tokens.usecases import Minter
from appliance.accounts.rules import Access
from appliance.console import usecases
from appliance.egress import Egress
from appliance.storage.engine import Db
from appliance.storage.sealing import Sealer
from gateway.contract.headers import SPOKEN_VERSION


@get("/-/health", opt={"access": Access.PUBLIC}, media_type="text/plain")
async def get_health() -> str:
    """Answers as long as the process does."""
    return "ok"


@get("/-/readiness", opt={"access": Access.PUBLIC})
async def get_readiness(
    *,
    db: NamedDependency[Db],
    sealer: NamedDependency[Sealer],
    minter: NamedDependency[Minter],
) -> Response[dict[str, Any]]:
    """Whether requests can be served; 503 names what is missing."""
    checks = await usecases.check_readiness(db, sealer, minter)
    is_ready = all(state == "ok" for state in checks.values())
    body = {"status": "ok" if is_ready else "unavailable", "checks": checks}
    return Response(body, status_code=200 if is_ready else 503)


@get("/-/metrics", opt={"access": Access.ADMIN})
async def get_metrics(*, registry: NamedDependency[CollectorRegistry]) -> Response[bytes]:
    """The same figures as on the metrics port."""
    headers = {"content-type": CONTENT_TYPE_PLAIN_0_0_4}
    return Response(generate_latest(registry), headers=headers, media_type="text/plain")


@get("/api/v4/ai/egress", opt={"access": Access.ADMIN})
async def get_egress(*, egress: NamedDependency[Egress]) -> dict[str, Any]:
    """What the instance did not connect to since it was started; a gateway's metrics have its own.

    `casemate egress` on the machine shows each attempt of all services.
    """
    refused = egress.counts
    return {"service": "instance", "refused": sum(refused.values()), "reasons": refused}


@get("/api/v4/version", opt={"access": Access.SELF})
async def get_version(*, version: NamedDependency[str]) -> dict[str, str]:
    """Which release of GitLab's protocol is spoken, and which of ours this is."""
    return {"version": SPOKEN_VERSION, "revision": version}


@get("/api/v4/metadata", opt={"access": Access.SELF})
async def get_metadata(*, version: NamedDependency[str]) -> dict[str, Any]:
    """The same in the longer form."""
    kas = {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None}
    return {"version": SPOKEN_VERSION, "revision": version, "kas": kas, "enterprise": True}


handlers = (get_health, get_readiness, get_metrics, get_egress, get_version, get_metadata)
