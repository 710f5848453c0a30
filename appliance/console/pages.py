"""The first page: how the parts are, and what to do next."""

from collections.abc import Callable
from datetime import datetime
from importlib.resources import files

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Response, Template

from appliance.accounts.rules import Access
from appliance.console import usecases
from appliance.feature_flags.usecases import flags_of_page
from appliance.storage.engine import Db

Clock = Callable[[], datetime]

STYLE = files(__package__).joinpath("static", "console.css").read_bytes()


@get("/", opt={"access": Access.PUBLIC})
async def get_home(
    *,
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    version: NamedDependency[str],
    public_url: NamedDependency[str],
    gateway_url: NamedDependency[str],
) -> Template:
    """The page itself."""
    now = clock()
    overview, flags = await db.read(
        lambda session: (usecases.read_overview(session, at=now), flags_of_page(session))
    )
    return Template(
        "home.html",
        context={
            "overview": overview,
            "flags": sorted(flags),
            "version": version,
            "public_url": public_url,
            "gateway_url": gateway_url,
        },
        headers={"cache-control": "no-store"},
    )


@get("/assets/console.css", opt={"access": Access.PUBLIC})
async def get_style() -> Response[bytes]:
    """How it looks."""
    headers = {"cache-control": "public, max-age=300"}
    return Response(STYLE, media_type="text/css", headers=headers)


handlers = (get_home, get_style)
