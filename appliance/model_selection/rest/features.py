"""What the instance says of features over REST, for admins."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from pydantic import StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.model_selection import usecases
from appliance.model_selection.rest.showing import Body, show_feature, show_models
from appliance.model_selection.rules import FeatureChange, FeatureView, SettingProvider
from appliance.model_selection.rules.places import INSTANCE_ADMIN
from appliance.storage.engine import Db, Session
from gateway.contract.catalog import load_catalog

Clock = Callable[[], datetime]
PATH = "/api/v4/ai/feature_settings"
FEATURE = f"{PATH}/{{feature:str}}"


class SettingBody(Body):
    """A wish for a feature, in place of what was said; without `provider` the default's own.

    Without `allowed_models` every model that suits may be chosen.
    """

    provider: SettingProvider | None = None
    default_model: StrictStr | None = None
    allowed_models: list[StrictStr] | None = None
    # Litestar validates leniently, where even a StrictBool takes "yes".
    locked: Literal[True, False] = False

    def change(self, feature: str) -> FeatureChange:
        """The same in the product's words."""
        return FeatureChange(
            features=(feature,),
            provider=self.provider,
            default_ref=self.default_model,
            allowed=None if self.allowed_models is None else tuple(self.allowed_models),
            is_locked=self.locked,
        )


@get(PATH, opt={"access": Access.ADMIN})
async def list_features(
    *, db: NamedDependency[Db], clock: NamedDependency[Clock]
) -> list[dict[str, Any]]:
    """Every feature, in the catalogue's order."""

    def work(session: Session) -> list[dict[str, Any]]:
        found = usecases.list_features(session, catalog=load_catalog())
        entitled = _entitled(session, clock())
        return [_show(each, entitled) for each in found]

    return await db.read(work)


@get(FEATURE, opt={"access": Access.ADMIN})
async def get_feature(
    *, feature: FromPath[str], db: NamedDependency[Db], clock: NamedDependency[Clock]
) -> dict[str, Any]:
    """One feature."""

    def work(session: Session) -> dict[str, Any]:
        found = usecases.get_feature(session, feature, catalog=load_catalog())
        return _show(found, _entitled(session, clock()))

    return await db.read(work)


@put(FEATURE, opt={"access": Access.ADMIN})
async def change_feature(
    *,
    feature: FromPath[str],
    data: JSONBody[SettingBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Says something else of a feature."""

    def work(session: Session) -> dict[str, Any]:
        now, catalog = clock(), load_catalog()
        [changed] = usecases.change_features(
            session, data.change(feature), catalog=catalog, actor=caller.actor, now=now
        )
        return _show(changed, _entitled(session, now))

    return await db.write(work)


@delete(FEATURE, opt={"access": Access.ADMIN})
async def reset_feature(
    *,
    feature: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Forgets what was said of a feature; what the gateway offers holds again."""

    def work(session: Session) -> None:
        usecases.reset_features(
            session, [feature], catalog=load_catalog(), actor=caller.actor, now=clock()
        )

    await db.write(work)


def _entitled(session: Session, now: datetime) -> Mapping[str, str | None]:
    return usecases.entitlement(session, None, catalog=load_catalog(), now=now)


def _show(view: FeatureView, entitled: Mapping[str, str | None]) -> dict[str, Any]:
    said = view.setting
    usable = [each for each in view.models if each.why_unusable is None]
    return {
        **show_feature(view.name, view.feature),
        "provider": view.provider,
        "default_model": None if said is None else said.default_ref,
        "allowed_models": None if said is None or said.allowed is None else sorted(said.allowed),
        "locked": said is not None and said.is_locked,
        "changed": said is not None,
        "effective_model": view.offer.default,
        "level": {"kind": "instance", "id": None, "full_path": None},
        "may_change_by": INSTANCE_ADMIN,
        "selectable_models": show_models(usable, entitled),
        "unusable_models": [
            {"ref": each.ref, "name": each.name, "why": each.why_unusable}
            for each in view.models
            if each.why_unusable is not None
        ],
        "problem": view.problem,
    }


handlers = (list_features, get_feature, change_feature, reset_feature)
