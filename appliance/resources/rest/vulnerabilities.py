"""Vulnerabilities over REST, under GitLab's names; telling of one is this product's own."""

from datetime import datetime
from typing import Any

from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from pydantic import StrictInt, StrictStr

from appliance.accounts.rules import Access
from appliance.resources import usecases
from appliance.resources.rest.asking import (
    API,
    ASKING,
    ASKING_AT,
    PROJECT,
    Asking,
    AskingAt,
    Body,
    Listed,
    Shown,
)
from appliance.resources.rest.showing import show_vulnerabilities, show_vulnerability
from appliance.resources.rules import (
    Identifier,
    Location,
    Place,
    ReportType,
    Severity,
    VulnerabilityChange,
    VulnerabilityState,
)
from appliance.storage.engine import Session
from appliance.storage.paging import Page

PATH = f"{PROJECT}/vulnerabilities"
ONE = f"{API}/vulnerabilities/{{vulnerability_id:int}}"


class IdentifierBody(Body):
    """A name that others know a weakness by."""

    external_type: StrictStr
    external_id: StrictStr
    name: StrictStr
    url: StrictStr | None = None


class LocationBody(Body):
    """Where it was found."""

    file: StrictStr
    start_line: StrictInt | None = None
    end_line: StrictInt | None = None


class VulnerabilityBody(Body):
    """A vulnerability as a client tells of it; what is left out stays as it is."""

    title: StrictStr | None = None
    description: StrictStr | None = None
    severity: Severity | None = None
    report_type: ReportType | None = None
    state: VulnerabilityState | None = None
    solution: StrictStr | None = None
    identifiers: list[IdentifierBody] | None = None
    location: LocationBody | None = None
    source_code: StrictStr | None = None

    def change(self) -> VulnerabilityChange:
        """The same in the product's words."""
        names = self.identifiers
        return VulnerabilityChange(
            title=self.title,
            description=self.description,
            severity=self.severity,
            report_type=self.report_type,
            state=self.state,
            solution=self.solution,
            identifiers=None
            if names is None
            else [Identifier(**each.model_dump()) for each in names],
            location=None if self.location is None else Location(**self.location.model_dump()),
            source_code=self.source_code,
        )


@get(PATH, opt={"access": Access.API}, dependencies=ASKING_AT)
async def list_vulnerabilities(
    *,
    at: NamedDependency[AskingAt],
    asked: NamedDependency[Page],
    request: Request[Any, Any, Any],
) -> Listed:
    """The vulnerabilities of a project, newest first."""

    def work(session: Session, place: Place, _: datetime) -> Listed:
        found = usecases.list_vulnerabilities_at(session, place, asked)
        url = f"{at.public_url}{API}/projects/{place.project.id}/vulnerabilities"
        return Response(
            show_vulnerabilities(session, found.items, public_url=at.public_url),
            headers=found.headers(url, asked=request.query_params.multi_items()),
        )

    return await at.read(work)


@post(PATH, opt={"access": Access.API}, dependencies=ASKING_AT)
async def create_vulnerability(
    *, at: NamedDependency[AskingAt], data: JSONBody[VulnerabilityBody]
) -> Shown:
    """Tells of a vulnerability."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        made = usecases.create_vulnerability(session, place, data.change(), now=now)
        return show_vulnerability(session, made, public_url=at.public_url)

    return await at.write(work)


@get(ONE, opt={"access": Access.API}, dependencies=ASKING)
async def get_vulnerability(
    *, asking: NamedDependency[Asking], vulnerability_id: FromPath[int]
) -> Shown:
    """One vulnerability."""

    def work(session: Session, now: datetime) -> Shown:
        user = asking.caller.user
        found = usecases.visible_vulnerability(session, user, vulnerability_id, now=now)
        return show_vulnerability(session, found, public_url=asking.public_url)

    return await asking.read(work)


@put(ONE, opt={"access": Access.API}, dependencies=ASKING)
async def change_vulnerability(
    *,
    asking: NamedDependency[Asking],
    vulnerability_id: FromPath[int],
    data: JSONBody[VulnerabilityBody],
) -> Shown:
    """Changes what the body names."""

    def work(session: Session, now: datetime) -> Shown:
        user, change = asking.caller.user, data.change()
        changed = usecases.change_vulnerability(
            session, user, vulnerability_id, change=change, now=now
        )
        return show_vulnerability(session, changed, public_url=asking.public_url)

    return await asking.write(work)


@delete(ONE, opt={"access": Access.API}, dependencies=ASKING)
async def delete_vulnerability(
    *, asking: NamedDependency[Asking], vulnerability_id: FromPath[int]
) -> None:
    """Removes a vulnerability."""
    user = asking.caller.user
    await asking.write(
        lambda session, now: usecases.delete_vulnerability(session, user, vulnerability_id, now=now)
    )


handlers = (
    list_vulnerabilities,
    create_vulnerability,
    get_vulnerability,
    change_vulnerability,
    delete_vulnerability,
)
