"""A group in its tree, with what each level says of the choice of models."""

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.namespaces.rules import Namespace
from gateway.contract.selection import Choice, Effective, Feature, effective

INSTANCE = "the instance"
INSTANCE_ADMIN = "instance admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A group with everything that decides what holds there.

    `chain` has it and those above it from the top, `said` what each of them chose by feature, and
    `offers` what the instance says. `may_switch`: the flag is on.
    """

    chain: tuple[Namespace, ...]
    said: Mapping[int, Mapping[str, Choice]]
    offers: Mapping[str, Feature]
    may_switch: bool

    @property
    def own_id(self) -> int:
        """The group itself."""
        return self.chain[-1].id

    def own_choice(self, feature: str) -> Choice | None:
        """What the group itself chose."""
        return self.said[self.own_id].get(feature)

    def here(self, feature: str) -> Effective:
        """What holds in the group."""
        return self._below(feature, len(self.chain))

    def above(self, feature: str) -> Effective:
        """What holds at the level above it, which is the instance's for the top of a tree."""
        return self._below(feature, len(self.chain) - 1)

    def narrowed_by(self, feature: str, ref: str) -> str:
        """The highest level that does not leave a model to those below; one above there is."""
        levels = [None, *(each.id for each in self.chain[:-1])]
        return next(
            self.name_of(level)
            for end, level in enumerate(levels)
            if ref not in self._below(feature, end).selectable
        )

    def name_of(self, group_id: int | None) -> str:
        """What people call a level; None: the instance."""
        return INSTANCE if group_id is None else f"the group {self._path(group_id)}"

    def may_change_by(self, feature: str) -> str:
        """Who may change what is used in the group."""
        offer, locked_at = self.offers[feature], self.here(feature).locked_at
        if offer.is_disabled or offer.is_locked or not self.may_switch:
            return INSTANCE_ADMIN
        return f"owners of {self._path(self.own_id if locked_at is None else locked_at)}"

    def level(self, feature: str) -> Namespace | None:
        """The group that chose what is used; None: the instance."""
        chosen_at = self.here(feature).level
        return next((each for each in self.chain if each.id == chosen_at), None)

    def _path(self, group_id: int) -> str:
        return next(each.full_path for each in self.chain if each.id == group_id)

    def _below(self, feature: str, groups: int) -> Effective:
        steps = ((each.id, self.said[each.id].get(feature)) for each in self.chain[:groups])
        return effective(self.offers[feature], steps, may_switch=self.may_switch)
