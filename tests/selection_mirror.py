"""What there must be after everything that was permitted, kept apart from both sides."""

from appliance.model_selection.rules import FeatureChange
from gateway.contract.catalog import load_catalog
from tests.selection_model import Answer, Offer, Wish, World, answer

CATALOG = load_catalog()


class Mirror:
    """Models by ref with number, family and whether they are enabled; and all that is said."""

    def __init__(self) -> None:
        self.registered: dict[str, tuple[int, str, bool]] = {}
        self.offered: dict[str, frozenset[str]] = {}
        self.offered_defaults: dict[str, str] = {}
        self.settings: dict[str, FeatureChange] = {}
        self.parents: dict[int, int | None] = {}
        self.wishes: dict[tuple[int, str], Wish] = {}
        self.is_switching_on = True

    def offer(self, feature: str) -> Offer:
        usable = frozenset(
            ref
            for ref, (_, family, is_enabled) in self.registered.items()
            if is_enabled and family in CATALOG.features[feature].model_families
        ) | frozenset(ref for ref, suited in self.offered.items() if feature in suited)
        said = self.settings.get(feature)
        if said is None:
            default = self.offered_defaults.get(feature)
            return Offer(default=default if default in usable else None, selectable=usable)
        if said.provider == "disabled":
            return Offer(is_disabled=True)
        if said.allowed is not None:
            usable &= frozenset(said.allowed)
        default = said.default_ref if said.default_ref in usable else None
        return Offer(default=default, selectable=usable, is_locked=said.is_locked)

    def answer(self, feature: str, group_id: int | None) -> Answer:
        mine = {group: wish for (group, name), wish in self.wishes.items() if name == feature}
        world = World(offer=self.offer(feature), parents=self.parents, wishes=mine)
        return answer(world, group_id, may_switch=self.is_switching_on)

    def forget(self, ref: str) -> None:
        """Nothing names it any more: what chose it is reset, lists lose it."""
        for feature, said in tuple(self.settings.items()):
            if said.default_ref == ref:
                del self.settings[feature]
            elif said.allowed is not None:
                left = tuple(each for each in said.allowed if each != ref)
                self.settings[feature] = FeatureChange(
                    features=said.features,
                    provider=said.provider,
                    default_ref=said.default_ref,
                    allowed=left,
                    is_locked=said.is_locked,
                )
        for place, wish in tuple(self.wishes.items()):
            if wish.model == ref:
                del self.wishes[place]
            elif wish.narrowed_to is not None:
                self.wishes[place] = Wish(
                    model=wish.model,
                    is_locked=wish.is_locked,
                    narrowed_to=wish.narrowed_to - {ref},
                )

    def rename(self, old: str, new: str) -> None:
        def follow(ref: str) -> str:
            return new if ref == old else ref

        self.registered[new] = self.registered.pop(old)
        for feature, said in self.settings.items():
            self.settings[feature] = FeatureChange(
                features=said.features,
                provider=said.provider,
                default_ref=said.default_ref and follow(said.default_ref),
                allowed=said.allowed and tuple(map(follow, said.allowed)),
                is_locked=said.is_locked,
            )
        for place, wish in self.wishes.items():
            left = wish.narrowed_to
            self.wishes[place] = Wish(
                model=follow(wish.model),
                is_locked=wish.is_locked,
                narrowed_to=None if left is None else frozenset(map(follow, left)),
            )
