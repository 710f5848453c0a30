"""What every request for something in a project has alike."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import Response
from pydantic import BaseModel, ConfigDict

from appliance.accounts.rules import Caller
from appliance.resources.rules import Place
from appliance.resources.usecases import named_place
from appliance.slashes import named
from appliance.storage.engine import Db, Session

Clock = Callable[[], datetime]
Shown = dict[str, Any]
Listed = Response[list[Shown]]
T = TypeVar("T")

API = "/api/v4"
PROJECT = f"{API}/projects/{{project:str}}"


class Body(BaseModel):
    """What every body holds to."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request: who asks, and what it is answered with."""

    caller: Caller
    db: Db
    clock: Clock
    public_url: str

    async def read(self, work: Callable[[Session, datetime], T]) -> T:
        """Runs what reads."""
        return await self.db.read(lambda session: work(session, self.clock()))

    async def write(self, work: Callable[[Session, datetime], T]) -> T:
        """Runs what writes."""
        return await self.db.write(lambda session: work(session, self.clock()))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingAt:
    """A request for something in a project, which `project` names as the address does."""

    asking: Asking
    project: str

    @property
    def public_url(self) -> str:
        """The address of the instance."""
        return self.asking.public_url

    async def read(self, work: Callable[[Session, Place, datetime], T]) -> T:
        """Runs what reads, where the caller may know of the project."""
        return await self.asking.read(lambda session, now: self._run(session, now, work))

    async def write(self, work: Callable[[Session, Place, datetime], T]) -> T:
        """Runs what writes, likewise."""
        return await self.asking.write(lambda session, now: self._run(session, now, work))

    def _run(
        self, session: Session, now: datetime, work: Callable[[Session, Place, datetime], T]
    ) -> T:
        place = named_place(session, self.asking.caller.user, named(self.project), now=now)
        return work(session, place, now)


async def provide_asking(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> Asking:
    """Who asks."""
    return Asking(caller=caller, db=db, clock=clock, public_url=public_url)


async def provide_asking_at(*, project: FromPath[str], asking: NamedDependency[Asking]) -> AskingAt:
    """Who asks, and where."""
    return AskingAt(asking=asking, project=project)


ASKING = {"asking": Provide(provide_asking)}
ASKING_AT = {**ASKING, "at": Provide(provide_asking_at)}
