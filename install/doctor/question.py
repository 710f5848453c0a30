"""The hop that goes all the way: one real token, by an access token made for nothing else."""

from collections.abc import Mapping
from typing import Any

import httpx

from install import weights
from install.admin import explaining
from install.doctor.box import Box
from install.doctor.findings import Finding, failed, ok
from install.errors import InstallError

# Only chat, and no longer than one forwarded request may take.
NARROW = {"scopes": ["duo_chat"], "expires_in": 120}
SUCCESS = 200
# A refusal is told to the instance with the usage, within a second.
RECALL_TRIES = 8
RECALL_PAUSE_S = 0.5

# Which hop to look at for what the gateway says.
HOP_OF = {
    "identity_unavailable": "key_set",
    "invalid_token": "key_set",
    "token_expired": "clock",
    "token_superseded": "admin",
    "configuration_unavailable": "gateways",
    "gateway_too_old": "gateways",
    "model_unavailable": "models",
    "model_not_found": "models",
    "feature_not_granted": "grant",
    "provider_not_entitled": "licence",
    "address_not_allowed": "callers",
    "namespace_not_granted": "grant",
}
BY_STATUS = {401: "key_set", 403: "grant", 404: "models", 503: "gateways"}


def look_at_question(box: Box) -> Finding:
    """Whether one token comes back through instance, gateway and model."""
    ref = weights.chosen_ref(box.places, box.settings)
    minted = box.asked.ask("POST", "/api/v4/ai/access_tokens", NARROW)
    body = {
        "model": ref,
        "messages": [{"role": "user", "content": "Say yes."}],
        "max_tokens": 1,
        "temperature": 0,
    }
    answer = box.ask_gateway(minted["token"], body)
    said = _body_of(answer)
    if answer.status_code != SUCCESS:
        return _refused(box, answer.status_code, said)
    tokens = (said.get("usage") or {}).get("completion_tokens") or 0
    if not tokens:
        return failed(
            f"The model {ref} answered without a single token.",
            f"casemate models check {ref}; casemate logs model-server -n 100",
            model=ref,
        )
    seconds = round(answer.elapsed.total_seconds(), 2)
    return ok(f"{ref} answered in {seconds} s", model=ref, seconds=seconds)


def _body_of(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _refused(box: Box, status: int, body: Mapping[str, Any]) -> Finding:
    error = body.get("error")
    error = error if isinstance(error, dict) else body
    code = str(error.get("code") or status)
    decision = error.get("decision_id")
    hop = HOP_OF.get(code) or BY_STATUS.get(status, "gateway")
    message = str(error.get("message") or f"status {status}")
    check = _explained(box, str(decision)) if decision else None
    found = f"The gateway refused ({status} {code}): {message}"
    if check is not None:
        found = f"{found.rstrip('.')}. What decides is {check['name']}: {check['sentence']}"
    fix = f"casemate explain --decision {decision}" if decision else f"see the hop {hop}"
    if check is not None and check.get("change"):
        fix = str(check["change"])
    return failed(found, fix, status=status, code=code, decision_id=decision, failing_hop=hop)


def _explained(box: Box, decision: str) -> Mapping[str, Any] | None:
    """The check that decides, once the instance has heard of the refusal; None if it never does."""
    for attempt in range(RECALL_TRIES):
        if attempt:
            box.pause(RECALL_PAUSE_S)
        try:
            found = explaining.ask(box.asked, explaining.Question(decision=decision))
        except InstallError:
            continue
        checks = (found.get("explanation") or {}).get("checks") or ()
        return next((each for each in checks if each["state"] == "failed"), None)
    return None
