"""Which model holds for a feature in the group of a token, from what the instance feeds."""

from collections.abc import Collection, Mapping, Sequence

from gateway.contract.claims import Claims
from gateway.contract.feed import SwitchedOff
from gateway.contract.selection import (
    SWITCHING_FLAG,
    Choice,
    Effective,
    Feature,
    Group,
    effective,
)
from gateway.errors import ConfigurationUnavailableError
from gateway.issuer.feed.groups import Groups

# As many answers are remembered; the next change forgets them, which nothing may wait for.
MAX_REMEMBERED = 4096

NOT_YET = (
    "The gateway does not know your group yet, so it cannot tell which model is yours; try again "
    "in a moment."
)

Chain = Sequence[tuple[int, Choice | None]]


class Selections:
    """What the instance says of features, and what the groups of a tree make of it.

    Meant for tokens of that instance only. An answer is remembered until something changes.
    """

    def __init__(self) -> None:
        self.offers: Mapping[str, Feature] = {}
        """What the instance says of each feature; empty: nothing is known."""
        self._groups = Groups()
        self._is_switching_on = True
        self._remembered: dict[tuple[str, int | None, bool], Effective] = {}

    def replace(self, features: Sequence[Feature] | None, groups: Groups) -> None:
        """Takes over all that is known; to be called as well when `groups` has changed.

        `features` None: nothing is known, as of an older instance.
        """
        self.offers = {each.name: each for each in features or ()}
        self._groups = groups
        self._remembered = {}

    def switch_off(self, flags: Collection[SwitchedOff]) -> None:
        """Sets the feature flags that are off for everyone."""
        self._is_switching_on = all(each.flag != SWITCHING_FLAG for each in flags)
        self._remembered = {}

    def _may_switch(self, claims: Claims) -> bool:
        return self._is_switching_on and SWITCHING_FLAG in claims.flags

    def effective(self, feature: str, claims: Claims) -> Effective | None:
        """What holds for the bearer; None: the instance says nothing of that feature.

        Raises:
            ConfigurationUnavailableError: groups choose, and the token's is not known.
        """
        chosen = self._groups.chosen(feature)
        # Where nobody chose, all groups are as good as none.
        namespace_id = claims.ns if chosen else None
        key = feature, namespace_id, self._may_switch(claims)
        known = self._remembered.get(key)
        if known is not None:
            return known
        offer = self.offers.get(feature)
        if offer is None:
            return None
        found = effective(offer, self._chain(namespace_id, offer), may_switch=key[2])
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered = {}
        self._remembered[key] = found
        return found

    def excluded_at(self, model: str, feature: str, claims: Claims) -> int | None:
        """The group that leaves itself and those below it no such model; None: the instance.

        To be asked of a model that `effective` has just said is not selectable.
        """
        offer, may_switch = self.offers[feature], self._may_switch(claims)
        chain = self._chain(claims.ns if self._groups.chosen(feature) else None, offer)
        levels = (None, *(group_id for group_id, _ in chain))
        excluding = (
            level
            for length, level in enumerate(levels)
            if model not in effective(offer, chain[:length], may_switch=may_switch).selectable
        )
        return next(excluding, None)

    def ancestry(self, namespace_id: int | None) -> Collection[int]:
        """A group and all above it, from the top; empty when that is not known."""
        try:
            return tuple(reversed(self._upwards(namespace_id)))
        except ConfigurationUnavailableError:
            return ()

    def _chain(self, namespace_id: int | None, offer: Feature) -> Chain:
        if offer.is_disabled:
            return ()
        chosen = self._groups.chosen(offer.name)
        return [(each, chosen.get(each)) for each in reversed(self._upwards(namespace_id))]

    def _upwards(self, namespace_id: int | None) -> dict[int, Group]:
        groups: dict[int, Group] = {}
        while namespace_id is not None:
            group = self._groups.find(namespace_id)
            if group is None or namespace_id in groups:
                what = "is above itself" if group else "is not in the feed"
                raise ConfigurationUnavailableError(
                    message=NOT_YET, reason=f"group {namespace_id} {what}"
                )
            groups[namespace_id] = group
            namespace_id = group.parent_id
        return groups
