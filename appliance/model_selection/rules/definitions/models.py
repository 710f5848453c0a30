"""Reads the entries of models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.model_selection.rules.definitions.notes import Notes, kept, shown
from appliance.model_selection.rules.definitions.values import Offer
from appliance.self_hosted_models.rules import DEFAULT_PROVIDER as REGISTERED_PROVIDER
from appliance.self_hosted_models.rules import REF
from gateway.contract.catalog import Catalog, ReleaseState
from gateway.contract.selection import DEFAULT_MODEL, ref_key

# Who is entitled for a model that says nothing else.
DEFAULT_PROVIDER = "duo"
RELEASE_STATES: dict[str, ReleaseState] = {
    "ga": "GA",
    "beta": "BETA",
    "experiment": "EXPERIMENT",
    "experimental": "EXPERIMENT",
}
MAX_NAME_CHARS = 255
MAX_DESCRIPTION_CHARS = 2_000
MAX_COST_CHARS = 32
MOST_CONTEXT_TOKENS = 2**31 - 1


@dataclass(slots=True, kw_only=True)
class Draft:
    """A model to which the features are still being added."""

    ref: str
    name: str
    provider: str
    family: str | None
    release_state: ReleaseState
    description: str | None
    cost_indicator: str | None
    context_tokens: int | None
    is_served: bool
    features: set[str] = field(default_factory=set)
    beta_for: set[str] = field(default_factory=set)
    default_for: set[str] = field(default_factory=set)

    def offer(self) -> Offer:
        """The whole."""
        return Offer(
            ref=self.ref,
            name=self.name,
            provider=self.provider,
            family=self.family,
            release_state=self.release_state,
            description=self.description,
            cost_indicator=self.cost_indicator,
            context_tokens=self.context_tokens,
            is_served=self.is_served,
            features=frozenset(self.features),
            beta_for=frozenset(self.beta_for - self.features),
            default_for=frozenset(self.default_for),
        )


class ModelEntries:
    """The models of a document as they are read, by the keys of their refs.

    `unusable` are keys of identifiers that cannot be refs; `is_any_nameless`: an entry has none.
    """

    def __init__(self, notes: Notes, catalog: Catalog) -> None:
        self._notes = notes
        self._catalog = catalog
        self.drafts: dict[str, Draft] = {}
        self.unusable: set[str] = set()
        self.is_any_nameless = False

    def read(self, place: str, entry: Any, *, identified_by: str) -> Draft | None:
        """Takes an entry up; None if it is not a usable one."""
        if not isinstance(entry, dict):
            self.is_any_nameless = True
            sentence = f"The model {place} is {shown(entry)} and not an object."
            self._notes.add(place, "entry_unusable", sentence)
            return None
        ref = self._ref(place, entry, identified_by)
        if ref is None:
            return None
        fields = _Fields(place, ref, entry, self._notes)
        family = self._family(fields)
        draft = Draft(
            ref=ref,
            name=_name(fields),
            provider=self._provider(fields),
            family=family,
            release_state=self._release_state(fields, family),
            description=fields.text("description", most_chars=MAX_DESCRIPTION_CHARS),
            cost_indicator=fields.text("cost_indicator", most_chars=MAX_COST_CHARS),
            context_tokens=self._context_tokens(fields, family),
            is_served=fields.flag("served", default=True),
        )
        self.drafts[ref_key(ref)] = draft
        return draft

    def refs(self) -> list[str]:
        """As they are written."""
        return [draft.ref for draft in self.drafts.values()]

    def _ref(self, place: str, entry: Mapping[str, Any], identified_by: str) -> str | None:
        told = entry.get(identified_by)
        if not isinstance(told, str) or not told:
            self.is_any_nameless = True
            name = f" ({shown(entry['name'])})" if "name" in entry else ""
            sentence = f"The model {place}{name} has no {identified_by}, so it cannot be offered."
            self._notes.add(place, "identifier_missing", sentence)
            return None
        problem = self._problem_of_ref(told)
        if problem is None:
            return told
        self._notes.add(place, *problem, identifier=kept(told))
        return None

    def _problem_of_ref(self, ref: str) -> tuple[str, str] | None:
        key = ref_key(ref)
        if key == DEFAULT_MODEL:
            self.unusable.add(key)
            return "identifier_reserved", (
                f"The identifier {shown(ref)} asks for the model that a feature uses by default, "
                "so no model can have it."
            )
        if not REF.fullmatch(ref):
            self.unusable.add(key)
            return "identifier_unusable", (
                f"The identifier {shown(ref)} is not 1 to 255 letters, digits, '.', '_', '-', ':' "
                "or '/' with a letter or digit at both ends."
            )
        if key in self.drafts:
            return "identifier_duplicate", (
                f"The identifier {shown(ref)} is that of an earlier model, {self.drafts[key].ref}, "
                "but for case and separators; the earlier one holds."
            )
        return None

    def _family(self, fields: "_Fields") -> str | None:
        told = fields.text("family", most_chars=MAX_NAME_CHARS)
        if told is None or told in self._catalog.model_families:
            return told
        known = ", ".join(self._catalog.model_families)
        sentence = f"the family {shown(told)} is none of {known}; it is offered without one."
        fields.complain("family_unknown", sentence)
        return None

    def _provider(self, fields: "_Fields") -> str:
        # GitLab's own definitions say here who made the model, in words that are no provider's.
        told = fields.text("provider", most_chars=MAX_NAME_CHARS)
        if told not in self._catalog.providers:
            return DEFAULT_PROVIDER
        if told == REGISTERED_PROVIDER:
            sentence = (
                f"the provider {told!r} is for models that are registered at the instance; it "
                f"counts as {DEFAULT_PROVIDER!r}."
            )
            fields.complain("provider_not_allowed", sentence)
            return DEFAULT_PROVIDER
        return told

    def _release_state(self, fields: "_Fields", family: str | None) -> ReleaseState:
        told = fields.text("release_state", most_chars=MAX_NAME_CHARS)
        if told is None:
            return "GA" if family is None else self._catalog.model_families[family].release_state
        if told.casefold() in RELEASE_STATES:
            return RELEASE_STATES[told.casefold()]
        sentence = (
            f"the release state {shown(told)} is none of GA, BETA and EXPERIMENT; it counts as "
            "EXPERIMENT."
        )
        fields.complain("release_state_unknown", sentence)
        return "EXPERIMENT"

    def _context_tokens(self, fields: "_Fields", family: str | None) -> int | None:
        told = fields.number("context_tokens", most=MOST_CONTEXT_TOKENS)
        if told is not None or family is None:
            return told
        return self._catalog.model_families[family].context_tokens


def _name(fields: "_Fields") -> str:
    return fields.text("name", most_chars=MAX_NAME_CHARS, is_needed=True) or fields.ref


@dataclass(frozen=True, slots=True)
class _Fields:
    """The members of a usable entry; one that cannot be used is as good as not there."""

    place: str
    ref: str
    entry: Mapping[str, Any]
    notes: Notes

    def complain(self, code: str, reason: str) -> None:
        self.notes.add(self.place, code, f"Of the model {self.ref}, {reason}", identifier=self.ref)

    def text(self, name: str, *, most_chars: int, is_needed: bool = False) -> str | None:
        told = self.entry.get(name)
        if told is None and not is_needed:
            return None
        if isinstance(told, str) and _is_text(told, most_chars):
            return told.strip()
        self._leave_out(name, f"is not 1 to {most_chars} printable characters")
        return None

    def number(self, name: str, *, most: int) -> int | None:
        told = self.entry.get(name)
        if told is None:
            return None
        # True is an int, too.
        if type(told) is int and 1 <= told <= most:
            return told
        self._leave_out(name, f"is not a whole number from 1 to {most}")
        return None

    def flag(self, name: str, *, default: bool) -> bool:
        told = self.entry.get(name)
        if told is None:
            return default
        if isinstance(told, bool):
            return told
        self._leave_out(name, "is neither true nor false")
        return default

    def _leave_out(self, name: str, reason: str) -> None:
        self.complain("field_unusable", f"the field {name} {reason}, so it is left out.")


def _is_text(told: str, most_chars: int) -> bool:
    is_printable = all(each.isprintable() or each in "\n\t" for each in told)
    return bool(told.strip()) and len(told) <= most_chars and is_printable
