"""The hops on what the instance knows: keys, gateways, the licence, grants, models."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from install import weights
from install.admin import explaining
from install.admin.model_check import Hop as Step
from install.admin.model_check import probe
from install.contents import GATEWAY_NAME
from install.doctor.box import Box
from install.doctor.findings import Finding, failed, ok, warning
from install.errors import InstallError

SIGNING_KEYS = "/api/v4/ai/signing_keys"
GATEWAYS = "/api/v4/ai/gateways"
LICENCES = "/api/v4/licenses"
# A key signs once every cache has it; much later than this something holds it up.
WAITS_LONG_S = 3600
LAG_S = 5.0
ENDS_SOON = timedelta(days=30)
DAY_S = 86400


def look_at_admin(box: Box) -> Finding:
    """Whether the instance takes the admin's token, which all that follows is asked with."""
    box.read("/api/v4/user")
    return ok("the instance takes the admin's token")


def look_at_signing_keys(box: Box) -> Finding:
    """Whether a key signs, how old it is, and what the next waits for."""
    keys = box.read(SIGNING_KEYS)
    shown = [{name: key.get(name) for name in ("kid", "state", "age_s")} for key in keys]
    current = current_key(box)
    if current is None:
        return failed("No key signs access tokens.", "casemate keys rotate", keys=shown)
    late = [key for key in keys if key["state"] == "next" and key["age_s"] > WAITS_LONG_S]
    if late:
        gateways = ", ".join((late[0].get("waits_for") or {}).get("gateways") or ())
        who = f" for {gateways}" if gateways else ""
        return warning(
            f"The next signing key has been waiting{who} for {late[0]['age_s'] // 3600} hours.",
            "casemate gateways list; remove a gateway that is gone for good",
            keys=shown,
        )
    next_one = " and the next is published" if any(k["state"] == "next" for k in keys) else ""
    return ok(f"one signs, {current['age_s'] // DAY_S} days old{next_one}", keys=shown)


def current_key(box: Box) -> Mapping[str, Any] | None:
    """The key that signs now."""
    return next((key for key in box.read(SIGNING_KEYS) if key["state"] == "current"), None)


def look_at_gateways(box: Box) -> Finding:
    """Whether this machine's gateway follows the instance, and how far behind it is."""
    gateways: Sequence[Mapping[str, Any]] = box.read(GATEWAYS)
    facts = {
        "gateways": [
            {
                name: each.get(name)
                for name in (
                    *("name", "version", "connection", "changes_behind", "seconds_behind"),
                    *("clock_skew_ms", "clock_is_off"),
                )
            }
            for each in gateways
        ]
    }
    if not gateways:
        return failed("No gateway is registered.", box.start, **facts)
    bad = {each["name"]: _problem(each) for each in gateways if _problem(each)}
    own = GATEWAY_NAME if any(each["name"] == GATEWAY_NAME for each in gateways) else None
    others_follow = len(bad) < len(gateways)
    if bad and (own in bad or not others_follow):
        name = own if own in bad else next(iter(bad))
        fix = "casemate logs gateway -n 100; casemate gateways show " + str(name)
        return failed(f"The gateway {name} {bad[name]}.", fix, **facts)
    if bad:
        name = next(iter(bad))
        fix = f"see that machine, or `casemate gateways remove {name}` if it is gone for good"
        return warning(f"The gateway {name} {bad[name]}.", fix, **facts)
    lag = max(each["seconds_behind"] or 0 for each in gateways)
    return ok(f"{len(gateways)} registered, behind by {lag:.0f} s at most", **facts)


def _problem(gateway: Mapping[str, Any]) -> str | None:
    if gateway["connection"] == "away":
        return "does not ask for the feed"
    if gateway["clock_is_off"]:
        return f"has another time: {str(gateway['clock_note']).rstrip('.')}"
    if gateway["changes_behind"] is None:
        return "has read nothing of the feed yet"
    behind = gateway["seconds_behind"] or 0
    if behind > LAG_S:
        return f"is {gateway['changes_behind']} changes behind, for {behind:.0f} s"
    return None


def look_at_key_set(box: Box) -> Finding:
    """Whether the key that signs is published, and every gateway that is there has it."""
    current = current_key(box)
    kid = current["kid"] if current else None
    url = f"{box.settings.instance_url}/oauth/discovery/keys"
    answer = box.probe(url)
    if isinstance(answer, str) or not answer.is_success:
        return failed(f"{url} shows no keys.", "casemate logs instance -n 100", kid=kid)
    published = {each["kid"] for each in answer.json()["keys"]}
    if kid not in published:
        return failed(f"The key {kid} signs and is not published.", "casemate keys rotate", kid=kid)
    without = [
        each["name"]
        for each in box.read(GATEWAYS)
        if each["connection"] != "away" and kid not in each["kids"]
    ]
    if without:
        return failed(
            f"{', '.join(without)} cannot check what the key {kid} signs.",
            f"casemate gateways show {without[0]}; casemate logs gateway -n 100",
            kid=kid,
            without=without,
        )
    return ok("every gateway that is there has the key that signs", kid=kid)


def look_at_licence(box: Box) -> Finding:
    """Whether something is bought that counts now, and when it ends."""
    licences = box.read(LICENCES)
    names = ("id", "is_demo", "counts", "expires_at", "expired", "warnings")
    facts = {"licences": [{name: each.get(name) for name in names} for each in licences]}
    good = [each for each in licences if not each["expired"] and each.get("counts", True)]
    if not good:
        said = "Every licence has ended." if licences else "There is no licence."
        return failed(said, "casemate licence add FILE", **facts)
    ends_on = max(date.fromisoformat(each["expires_at"][:10]) for each in good)
    if ends_on - box.now().date() < ENDS_SOON:
        return warning(
            f"The licence ends on {ends_on}.", "casemate licence add FILE, with a new one", **facts
        )
    if all(each["is_demo"] for each in good):
        return warning(
            f"The licence is for a demonstration only; it ends on {ends_on}.",
            "casemate licence add FILE, with one that was bought",
            **facts,
        )
    warned = [text for each in good for text in each.get("warnings") or ()]
    if warned:
        return warning(str(warned[0]), "casemate licence list", **facts)
    return ok(f"good until {ends_on}", **facts)


def look_at_grant(box: Box) -> Finding:
    """Whether the admin may chat with the model that is served here."""
    ref = weights.chosen_ref(box.places, box.settings)
    found = explaining.ask(box.asked, explaining.Question(model=ref))
    facts = {"verdict": found["verdict"], "code": found.get("code"), "model": ref}
    if found["verdict"] == "permitted":
        return ok(f"the admin may chat with {ref}", **facts)
    check = next((each for each in found["checks"] if each["state"] != "passed"), None)
    said = check["sentence"] if check else f"The answer is {found['verdict']}."
    fix = (check.get("change") if check else None) or "casemate explain"
    make = failed if found["verdict"] == "refused" else warning
    return make(said, fix, check=check["name"] if check else None, **facts)


def look_at_models(box: Box) -> Finding:
    """Whether the endpoint of each model that is on answers as it is registered."""
    models = [each for each in box.asked.models() if each.get("enabled", True)]
    if not models:
        return failed("No model is registered and on.", "casemate models add REF --endpoint URL")
    bad: dict[str, Step] = {}
    for each in models:
        step = _first_bad(box, str(each["ref"]))
        if step is not None:
            bad[str(each["ref"])] = step
    facts = {
        "models": {
            str(each["ref"]): bad[each["ref"]].code if each["ref"] in bad else "ok"
            for each in models
        }
    }
    if not bad:
        return ok(f"{', '.join(facts['models'])} answer", **facts)
    ref, step = next(iter(bad.items()))
    fix = step.fix or f"casemate models check {ref}"
    return failed(f"{ref}: {step.name}: {step.problem}", fix, **facts)


def _first_bad(box: Box, ref: str) -> Step | None:
    try:
        return next((step for step in probe(box.asked, ref) if not step.is_well), None)
    except InstallError as error:
        return Step(name="endpoint", problem=error.sentence, code=error.code)
