"""The hops on what runs: services, certificates, and whether instance and gateway are ready."""

from typing import Any

import httpx

from install.doctor.box import Box
from install.doctor.findings import Finding, failed, ok, warning
from install.services import GATEWAY, INSTANCE
from install.status import READINESS
from install.tls import keeping

# What helps with each thing that the instance or the gateway says it lacks.
FIXES = {
    "database": "see the hop database, and `casemate logs instance`",
    "master_key": "put the right master key back, from the backup of keys/, or `casemate restore`",
    "signing_key": "casemate keys rotate",
    "identity": "see the hop gateways: the gateway must reach the instance once",
    "configuration": "see the hop gateways: the gateway must reach the instance once",
}


def look_at_services(box: Box) -> Finding:
    """Whether everything runs that should."""
    found = box.status
    states = {each.name: each.state for each in found.services}
    models = {each.ref: each.state for each in found.models}
    facts = {"state": found.state, "services": states, "models": models, "note": found.note}
    if found.state == "ready":
        return ok(", ".join(f"{name} {state}" for name, state in states.items()), **facts)
    if found.state == "stopped":
        return failed(f"The services are stopped{_note(found.note)}.", box.start, **facts)
    bad = [f"{name} is {state}" for name, state in states.items() if state != "ready"]
    bad += [
        f"the model {each.ref} is {each.state}{_note(each.reason)}"
        for each in found.models
        if each.state != "ready"
    ]
    first = next((name for name, state in states.items() if state != "ready"), "model-server")
    return failed(
        f"{'; '.join(bad)}.", f"casemate logs {first} -n 100, then `{box.start}`", **facts
    )


def _note(text: str | None) -> str:
    return f" ({text.rstrip('.')})" if text else ""


def look_at_certificates(box: Box) -> Finding:
    """Whether the certificates hold, for how long, and for which names."""
    if not box.settings.tls:
        if box.settings.is_public:
            return warning(
                "Instance and gateway listen beyond this machine without TLS.",
                f"{box.start} --tls",
            )
        return ok("no TLS, and nothing beyond this machine can reach the services")
    found = keeping.shown(box.places, box.settings, now=box.now())
    facts = {"certificates": [each.as_dict() for each in found]}
    lacking = {*keeping.SERVICES} - {each.name for each in found}
    if lacking:
        return failed(
            f"There is no certificate for {' and '.join(sorted(lacking))}.", box.start, **facts
        )
    ended = [each for each in found if each.ends_at <= box.now().timestamp()]
    if ended:
        return failed(ended[0].warning or "expired", "casemate tls renew", **facts)
    warned = [each.warning for each in found if each.warning]
    if warned:
        return warning(warned[0], "casemate tls renew", **facts)
    soonest = min(found, key=lambda each: each.ends_at)
    names = ", ".join(found[0].names)
    return ok(f"the {soonest.name}'s ends first, in {soonest.days_left} days; {names}", **facts)


def look_at_instance(box: Box) -> Finding:
    """Whether the instance can serve requests."""
    return _look_at_readiness(box, INSTANCE, box.settings.instance_url)


def look_at_gateway(box: Box) -> Finding:
    """Whether the gateway can check tokens and knows its configuration."""
    return _look_at_readiness(box, GATEWAY, box.settings.gateway_url)


def _look_at_readiness(box: Box, name: str, url: str) -> Finding:
    answer = box.probe(f"{url}{READINESS[name]}")
    if isinstance(answer, str):
        if box.is_stopped(name):
            return failed(f"The {name} is stopped.", box.start, address=url)
        return failed(answer, f"casemate logs {name} -n 100", address=url)
    checks = checks_in(answer)
    bad = {check: said for check, said in checks.items() if said not in {"ok", True}}
    facts = {"address": url, "status": answer.status_code, "checks": checks}
    if answer.is_success:
        return ok(f"ready at {url}", **facts)
    if not bad:
        return failed(
            f"The {name} answers with status {answer.status_code}.",
            f"casemate logs {name} -n 100",
            **facts,
        )
    said = ", ".join(f"{each} ({code})" for each, code in bad.items())
    first = next(iter(bad))
    return failed(
        f"The {name} is not ready: {said}.",
        FIXES.get(first, f"casemate logs {name} -n 100"),
        **facts,
    )


def checks_in(answer: httpx.Response) -> dict[str, Any]:
    """Each thing that a service needs, as it says itself."""
    try:
        return dict(answer.json()["checks"])
    except (ValueError, KeyError, TypeError):
        return {}
