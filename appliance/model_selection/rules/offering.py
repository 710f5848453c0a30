"""What groups can choose from, by what the instance says and what there is."""

from appliance.model_selection.rules.values import FeatureSetting, Pool
from gateway.contract.selection import Feature


def offer_of(name: str, setting: FeatureSetting | None, pool: Pool) -> Feature:
    """What the instance says of a feature, to its groups and to every gateway.

    A default that cannot be used any more is none: nothing else takes its place.
    """
    selectable = pool.selectable(name)
    if setting is None:
        return Feature(name=name, default=pool.offered_default(name), selectable=selectable)
    if setting.provider == "disabled":
        return Feature(name=name, is_disabled=True)
    if setting.allowed is not None:
        selectable &= setting.allowed
    default = setting.default_ref if setting.default_ref in selectable else None
    return Feature(name=name, default=default, selectable=selectable, is_locked=setting.is_locked)
