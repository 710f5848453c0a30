"""Reads which features the models of a document are for."""

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.model_selection.rules.definitions.feature_names import features_named
from appliance.model_selection.rules.definitions.models import Draft, ModelEntries
from appliance.model_selection.rules.definitions.notes import Notes, kept, shown
from appliance.model_selection.rules.definitions.values import Unread
from gateway.contract.catalog import Catalog
from gateway.contract.selection import ref_key

# Newer gateways write one such in place of a default when a feature has several.
PSEUDO_DEFAULT = "__default__"
SELECTABLE_UNLISTED = "selectable_unlisted"
DEFAULT_UNLISTED = "default_unlisted"
# The codes of problems about a model that a feature names and nothing defines.
UNLISTED = frozenset({SELECTABLE_UNLISTED, DEFAULT_UNLISTED})


class FeatureEntries:
    """The features of a document as they are read, and what of them cannot be."""

    def __init__(self, notes: Notes, catalog: Catalog, models: ModelEntries) -> None:
        self._notes = notes
        self._catalog = catalog
        self._models = models
        # Of the catalogue's names, which were read, and which have a default by now.
        self._seen: set[str] = set()
        self._with_default: set[str] = set()
        self._is_any_nameless = False
        self._unread_features: set[str] = set()
        self._unread_defaults: set[str] = set()
        self._undefined: set[str] = set()
        self._features_of: set[str] = set()

    def unread(self) -> Unread:
        """What must not be taken away by this document."""
        # An entry that does not say its feature may mean any that has no other entry.
        others = set(self._catalog.features) - self._seen if self._is_any_nameless else set()
        return Unread(
            models=frozenset(self._undefined),
            features=frozenset(self._unread_features | others),
            defaults=frozenset(self._unread_defaults - self._with_default),
            features_of=frozenset(self._features_of),
            any_model=self._models.is_any_nameless,
        )

    def read(self, place: str, entry: Any) -> None:
        """Takes an entry of a feature up, with the models that suit it."""
        if not isinstance(entry, dict) or not isinstance(entry.get("feature_setting"), str):
            self._is_any_nameless = True
            sentence = f"The entry {place} does not say its feature_setting."
            self._notes.add(place, "entry_unusable", sentence)
            return
        for feature in self._features(place, entry["feature_setting"]):
            if feature in self._seen:
                sentence = f"The feature {feature} is there twice; what both say of it is taken."
                self._notes.add(place, "feature_duplicate", sentence, feature=feature)
            self._seen.add(feature)
            self._read_models(place, entry, feature)

    def read_names(self, place: str, draft: Draft, names: Any) -> None:
        """Takes up the features that an entry of a model names itself."""
        if not isinstance(names, list):
            self._features_of.add(ref_key(draft.ref))
            sentence = f"The model {draft.ref} has no list of features, so it is offered for none."
            self._notes.add(place, "entry_unusable", sentence, identifier=draft.ref)
            return
        for number, name in enumerate(names):
            where = f"{place}.features[{number}]"
            if not isinstance(name, str):
                self._features_of.add(ref_key(draft.ref))
                sentence = f"{shown(name)} is not the name of a feature."
                self._notes.add(where, "entry_unusable", sentence, identifier=draft.ref)
                continue
            features = self._features(where, name)
            draft.features.update(features)
            if draft.release_state == "GA":
                # Such a document names no defaults: the first model that is no trial is one.
                draft.default_for.update(set(features) - self._with_default)
                self._with_default.update(features)

    def _features(self, place: str, name: str) -> Sequence[str]:
        found = features_named(name, self._catalog)
        if not found:
            proposal = self._notes.proposal(name, self._catalog.features)
            sentence = f"There is no feature {shown(name)}{proposal}."
            self._notes.add(place, "feature_unknown", sentence)
        return found

    def _read_models(self, place: str, entry: Mapping[str, Any], feature: str) -> None:
        for draft in self._listed(place, entry, "selectable_models", feature=feature):
            draft.features.add(feature)
        for draft in self._listed(place, entry, "beta_models", feature=feature):
            draft.beta_for.add(feature)
        default = self._default(place, entry.get("default_model"), feature)
        if default is None or feature in self._with_default:
            return
        self._with_default.add(feature)
        default.default_for.add(feature)
        if feature not in default.beta_for:
            default.features.add(feature)

    def _listed(
        self, place: str, entry: Mapping[str, Any], member: str, *, feature: str
    ) -> Sequence[Draft]:
        told = entry.get(member)
        if told is None:
            told = []
        if not isinstance(told, list):
            self._unread_features.add(feature)
            sentence = f"The {member} of {feature} are {shown(told)} and not a list."
            self._notes.add(f"{place}.{member}", "entry_unusable", sentence, feature=feature)
            return ()
        found = [
            self._selectable(f"{place}.{member}[{number}]", each, feature)
            for number, each in enumerate(told)
        ]
        return [draft for draft in found if draft is not None]

    def _selectable(self, place: str, identifier: Any, feature: str) -> Draft | None:
        if not isinstance(identifier, str):
            self._unread_features.add(feature)
            sentence = f"{shown(identifier)}, which {feature} names, is no model's identifier."
            self._notes.add(place, "entry_unusable", sentence, feature=feature)
            return None
        draft = self._models.drafts.get(ref_key(identifier))
        if draft is None:
            self._note_undefined(place, SELECTABLE_UNLISTED, identifier=identifier, feature=feature)
        return draft

    def _default(self, place: str, identifier: Any, feature: str) -> Draft | None:
        place = f"{place}.default_model"
        if identifier is None:
            return None
        if not isinstance(identifier, str) or not identifier:
            self._unread_defaults.add(feature)
            sentence = f"{shown(identifier)}, the default of {feature}, is no model's identifier."
            self._notes.add(place, "entry_unusable", sentence, feature=feature)
            return None
        if identifier.startswith(PSEUDO_DEFAULT):
            return None
        draft = self._models.drafts.get(ref_key(identifier))
        if draft is None:
            self._unread_defaults.add(feature)
            self._note_undefined(place, DEFAULT_UNLISTED, identifier=identifier, feature=feature)
        return draft

    def _note_undefined(self, place: str, code: str, *, identifier: str, feature: str) -> None:
        key = ref_key(identifier)
        if key in self._models.unusable:
            # Where the model stands, it is said already.
            return
        self._undefined.add(key)
        what = "selectable" if code == SELECTABLE_UNLISTED else "the default"
        proposal = self._notes.proposal(identifier, self._models.refs())
        sentence = (
            f"The model {shown(identifier)} is {what} for {feature} but not in models{proposal}."
        )
        self._notes.add(place, code, sentence, identifier=kept(identifier), feature=feature)
