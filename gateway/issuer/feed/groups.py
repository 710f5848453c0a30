"""Every group that the instance tells of, and what each chose, as a call asks for them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from gateway.contract.selection import Choice, Group

_NO_CHOICES: Mapping[int, Choice] = MappingProxyType({})


class Groups:
    """All groups by id; a change costs what it changes, however many there are."""

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        self._groups: dict[int, Group] = {}
        self._chosen: dict[str, dict[int, Choice]] = {}
        self.put(groups)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._groups)

    def put(self, groups: Iterable[Group]) -> None:
        """Takes over groups that are new, moved, or choose anew."""
        for group in groups:
            known = self._groups.get(group.id)
            if known is not None:
                self._forget_choices(known)
            self._groups[group.id] = group
            for choice in group.choices:
                self._chosen.setdefault(choice.feature, {})[group.id] = choice

    def remove(self, group_ids: Iterable[int]) -> None:
        """Forgets groups that are gone."""
        for group_id in group_ids:
            known = self._groups.pop(group_id, None)
            if known is not None:
                self._forget_choices(known)

    def _forget_choices(self, group: Group) -> None:
        for choice in group.choices:
            self._chosen.get(choice.feature, {}).pop(group.id, None)

    def find(self, group_id: int) -> Group | None:
        """The group, if there is one."""
        return self._groups.get(group_id)

    def chosen(self, feature: str) -> Mapping[int, Choice]:
        """Every group's choice for a feature, by the group's id; none is empty."""
        return self._chosen.get(feature, _NO_CHOICES)

    def everything(self) -> tuple[Group, ...]:
        """All of them, as they are now."""
        return tuple(self._groups.values())
