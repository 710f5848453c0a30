"""The actions on a weakness that was found in code."""

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules.catalogue import MAX_NAME_CHARS
from appliance.ai_actions.rules.codes import NOT_PROCESSED_CONTENT
from appliance.ai_actions.rules.gateway.fitting import aside, bounded, lines_between
from appliance.ai_actions.usecases.actions.looking import Look, Told
from appliance.resources.rules import Vulnerability
from appliance.resources.usecases import visible_vulnerability

WRONG_PLACE = "M4003"
SAST = "sast"
MAX_IDENTIFIERS_CHARS = 5_000


class ExplainVulnerability:
    """Says what a weakness is, and how it could be used."""

    def gather(self, look: Look) -> Told:
        """What the scanner said, and the code unless the user wants it left out."""
        found = _found(look)
        inputs = _described(found)
        inputs["severity"] = found.severity
        if found.source_code and look.flag("include_source_code") is not False:
            inputs |= _code(found, found.source_code)
        return Told(inputs=inputs)


class ResolveVulnerability:
    """Proposes a change that mends it, as text for people to look over."""

    def gather(self, look: Look) -> Told:
        """What the scanner said, and the code, without which there is nothing to mend."""
        found = _found(look)
        if not found.source_code:
            detail = "The code that it was found in is not kept here."
            raise ActionFailedError(NOT_PROCESSED_CONTENT, {"detail": detail})
        return Told(inputs=_described(found) | _code(found, found.source_code))


def _found(look: Look) -> Vulnerability:
    found = visible_vulnerability(look.session, look.user, look.resource.id, now=look.now)
    if found.report_type != SAST:
        raise ActionFailedError(WRONG_PLACE)
    return found


def _described(found: Vulnerability) -> dict[str, object]:
    inputs: dict[str, object] = {"name": found.title}
    names = [str(each["name"]) for each in found.identifiers if each.get("name")]
    if names:
        inputs["identifiers"] = ", ".join(names)[:MAX_IDENTIFIERS_CHARS]
    if found.location.get("file"):
        inputs["filename"] = str(found.location["file"])[:MAX_NAME_CHARS]
    if found.description.strip():
        inputs["vulnerability_description"] = aside(found.description)
    return inputs


def _code(found: Vulnerability, source_code: str) -> dict[str, object]:
    place = found.location
    lines = lines_between(source_code, place.get("start_line"), place.get("end_line"))
    return {"vulnerable_code": bounded(lines), "source_code": bounded(source_code)}
