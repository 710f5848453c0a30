"""Instance, gateway and a plain model of the whole give one answer, whatever is done in between.

Everything is done by the real use cases on a database, and told to the gateway in the documents
that the instance signs.
"""

import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appliance.access_tokens.usecases import ensure_signing_key
from appliance.accounts.rules import Profile
from appliance.accounts.usecases import create_user
from appliance.audit.rules import SYSTEM
from appliance.errors import ApplianceError
from appliance.feature_flags.usecases import set_flag
from appliance.gateway_feed import usecases as feed_usecases
from appliance.gateway_feed.rules import encode
from appliance.gateway_feed.usecases import Registration
from appliance.joints import FROM_ABOVE
from appliance.model_selection import usecases as choosing
from appliance.model_selection.rules import ChoiceChange, FeatureChange, SettingProvider
from appliance.model_selection.rules.definitions import read_definitions
from appliance.model_selection.rules.syncing import Look
from appliance.model_selection.usecases import ModelNaming, ModelSync
from appliance.namespaces import usecases as groups
from appliance.namespaces.rules import NewGroup
from appliance.self_hosted_models import usecases as models
from appliance.self_hosted_models.rules import Description
from appliance.storage.engine import Db, Session, database_url
from appliance.storage.identity import ensure_identity
from appliance.storage.migrations import migrate
from appliance.storage.sealing import Sealer
from gateway.contract.definitions import DefinedFeature, DefinedModel, Definitions
from gateway.contract.selection import SWITCHING_FLAG, Effective
from tests.following_gateway import FollowingGateway
from tests.instance_builders import NOW, GatewayKeys, a_user, some_sources
from tests.selection_mirror import CATALOG, Mirror
from tests.selection_model import Answer, Wish

FEATURES = ("duo_chat", "code_completions")
KEYS, SEALER = GatewayKeys(), Sealer(b"m" * 32)
SOURCES = some_sources(SEALER)
ADMIN = a_user(id=1, is_admin=True)
PROFILE = Profile(username="admin", name="Admin", email="a@b", is_admin=True)
NAMES = ModelNaming(CATALOG)
REGISTERED = ("one", "two", "three", "four")
OFFERED = ("left", "right")
REFS = st.sampled_from((*REGISTERED, *OFFERED))
# The first suits both features, the second code alone.
FAMILIES = st.sampled_from(["general", "codegemma"])
Claim = Callable[[Session], Any]


class Play:
    """One instance, what is done to it, and everybody who is asked about it."""

    def __init__(self, db: Db, folder: Path, data: st.DataObject) -> None:
        self.db = db
        self.draw = data.draw
        self.mirror = Mirror()
        self.gateway = FollowingGateway(db, KEYS, sources=SOURCES, folder=folder)
        self.paths = map("g{}".format, itertools.count(1))

    def act(self) -> None:
        """Anything that somebody may try; what is refused changes nothing."""
        tries = [self.choose, self.choose, self.choose, self.move, self.set_feature]
        others = [self.add_group, self.reset, self.register, self.change_model, self.sync]
        rarely = [self.remove_group, self.remove_model, self.switch, self.reset_feature]
        what = self.draw(st.sampled_from([*tries, *others, *rarely]))
        try:
            what()
        except ApplianceError:
            return

    def write(self, work: Claim) -> Any:
        return self.db.write_blocking(work)

    def register(self) -> None:
        ref, family = self.draw(st.sampled_from(REGISTERED)), self.draw(FAMILIES)
        wanted = Description(
            ref=ref,
            name=ref,
            family=family,
            endpoint="http://127.0.0.1:1/v1",
            identifier=ref,
        )
        made = self.write(
            lambda s: models.create_model(
                s, wanted, sealer=SEALER, names=NAMES, actor=SYSTEM, now=NOW
            )
        )
        self.mirror.registered[ref] = (made.id, family, True)

    def a_model(self) -> str:
        if not self.mirror.registered:
            self.register()
        return self.draw(st.sampled_from(sorted(self.mirror.registered)))

    def change_model(self) -> None:
        ref = self.a_model()
        number, family, is_enabled = self.mirror.registered[ref]
        fresh = self.draw(st.sampled_from(REGISTERED))
        wanted = self.draw(
            st.sampled_from([Description(is_enabled=not is_enabled), Description(ref=fresh)])
        )
        self.write(
            lambda s: models.change_model(
                s, number, wanted, sealer=SEALER, names=NAMES, actor=SYSTEM, now=NOW
            )
        )
        if wanted.ref is not None:
            self.mirror.rename(ref, fresh)
        else:
            self.mirror.registered[ref] = (number, family, not is_enabled)

    def remove_model(self) -> None:
        ref = self.a_model()
        number = self.mirror.registered[ref][0]
        self.write(
            lambda s: models.delete_model(
                s, number, reroute=True, names=NAMES, actor=SYSTEM, now=NOW
            )
        )
        del self.mirror.registered[ref]
        self.mirror.forget(ref)

    def sync(self) -> None:
        suited = self.draw(
            st.dictionaries(st.sampled_from(OFFERED), st.frozensets(st.sampled_from(FEATURES)))
        )
        defaults = {}
        for feature in FEATURES:
            those = sorted(ref for ref, suits in suited.items() if feature in suits)
            if those:
                defaults[feature] = self.draw(st.sampled_from(those))
        document = Definitions(
            models=tuple(DefinedModel(name=ref, identifier=ref) for ref in suited),
            unit_primitives=tuple(
                DefinedFeature(
                    feature_setting=feature,
                    default_model=defaults.get(feature),
                    selectable_models=tuple(
                        sorted(ref for ref, suits in suited.items() if feature in suits)
                    ),
                )
                for feature in FEATURES
            ),
        )
        reading = read_definitions(msgspec.json.encode(document), CATALOG)
        look = Look(source="http://gateway.test", reading=reading)
        plan = self.write(lambda s: _A_SYNC.plan(s, look))
        self.write(lambda s: _A_SYNC.apply(s, plan, actor=SYSTEM, now=NOW))
        self.mirror.offered, self.mirror.offered_defaults = dict(suited), defaults

    def set_feature(self) -> None:
        wanted: list[SettingProvider | None] = [None, None, None, "disabled", "unassigned"]
        provider = self.draw(st.sampled_from(wanted))
        default = self.draw(REFS) if provider is None else None
        allowed = self.draw(st.none() | st.frozensets(REFS)) if default else None
        is_locked = provider != "disabled" and self.draw(st.sampled_from([False, False, True]))
        for feature in self.draw(st.sampled_from([FEATURES[:1], FEATURES[1:], FEATURES])):
            change = FeatureChange(
                features=(feature,),
                provider=provider,
                default_ref=default,
                allowed=None if allowed is None else tuple(sorted(allowed | {str(default)})),
                is_locked=is_locked,
            )
            self.say(change)
            self.mirror.settings[feature] = change

    def say(self, change: FeatureChange) -> None:
        self.write(
            lambda s: choosing.change_features(s, change, catalog=CATALOG, actor=SYSTEM, now=NOW)
        )

    def reset_feature(self) -> None:
        feature = self.draw(st.sampled_from(FEATURES))
        self.write(
            lambda s: choosing.reset_features(s, [feature], catalog=CATALOG, actor=SYSTEM, now=NOW)
        )
        self.mirror.settings.pop(feature, None)

    def switch(self) -> None:
        is_on = not self.mirror.is_switching_on
        self.write(lambda s: set_flag(s, SWITCHING_FLAG, value=is_on, actor=SYSTEM, now=NOW))
        self.mirror.is_switching_on = is_on

    def add_group(self) -> None:
        parent_id = self.draw(st.sampled_from([None, *self.mirror.parents]))
        path = next(self.paths)
        new = NewGroup(name=path, path=path, parent_id=parent_id)
        made = self.write(lambda s: groups.create_group(s, new, caller_user=ADMIN, now=NOW))
        self.mirror.parents[made.id] = parent_id

    def a_group(self) -> int:
        if not self.mirror.parents:
            self.add_group()
        return self.draw(st.sampled_from(sorted(self.mirror.parents)))

    def remove_group(self) -> None:
        number = self.a_group()
        self.write(
            lambda s: groups.delete_group(
                s, groups.get_namespace(s, number), caller_user=ADMIN, now=NOW
            )
        )
        del self.mirror.parents[number]
        for feature in FEATURES:
            self.mirror.wishes.pop((number, feature), None)

    def move(self) -> None:
        number = self.a_group()
        to = self.draw(st.sampled_from([None, *self.mirror.parents]))
        self.write(
            lambda s: groups.move_group(
                s,
                groups.get_namespace(s, number),
                to,
                surroundings=FROM_ABOVE["surroundings"],
                caller_user=ADMIN,
                now=NOW,
            )
        )
        self.mirror.parents[number] = to

    def choose(self) -> None:
        number, feature = self.a_group(), self.draw(st.sampled_from(FEATURES))
        # What is to be had there, mostly: else hardly any choice would be made.
        there = sorted(self.mirror.answer(feature, self.mirror.parents[number]).selectable)
        model = self.draw(st.sampled_from(there) if there else REFS)
        left = self.draw(st.none() | st.frozensets(st.sampled_from(there) if there else REFS))
        narrowed_to = None if left is None else tuple(sorted(left | {model}))
        is_locked = self.draw(st.sampled_from([False, False, True]))
        change = ChoiceChange(
            features=(feature,), model_ref=model, narrowed_to=narrowed_to, is_locked=is_locked
        )
        self.write(
            lambda s: choosing.change_choices(s, ADMIN, number, change, catalog=CATALOG, now=NOW)
        )
        self.mirror.wishes[number, feature] = Wish(
            model=model,
            is_locked=is_locked,
            narrowed_to=None if narrowed_to is None else frozenset(narrowed_to),
        )

    def reset(self) -> None:
        number, feature = self.a_group(), self.draw(st.sampled_from(FEATURES))
        self.write(
            lambda s: choosing.reset_choices(s, ADMIN, number, [feature], catalog=CATALOG, now=NOW)
        )
        self.mirror.wishes.pop((number, feature), None)

    def in_database(self, session: Session, *, number: int | None) -> Mapping[str, Effective]:
        group = None if number is None else groups.get_namespace(session, number)
        may_switch = self.mirror.is_switching_on
        return choosing.effective_in(session, group, catalog=CATALOG, may_switch=may_switch)

    def check(self) -> None:
        """Every level, for both features, of all three."""
        for number in (None, *self.mirror.parents):
            found = self.db.read_blocking(partial(self.in_database, number=number))
            for feature in FEATURES:
                expected = self.mirror.answer(feature, number)
                for said in (found[feature], self.gateway.effective(feature, number)):
                    same = Answer(said.model, said.selectable, said.level, said.is_locked)
                    assert same == expected, (feature, number)


async def _nobody(url: str) -> Any:
    raise AssertionError(url)


_A_SYNC = ModelSync(
    _nobody,
    SOURCES.told,
    catalog=CATALOG,
    interval=timedelta(hours=1),
    chance=lambda: 0.5,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an instance with its admin and a gateway."""
    path = tmp_path_factory.mktemp("template") / "casemate.db"
    url = database_url(f"sqlite:///{path}")
    migrate(url)
    registration = Registration(
        name="local",
        signing_key=encode(KEYS.signing_public),
        sealing_key=encode(KEYS.sealing_public),
    )

    def fill(session: Session) -> None:
        ensure_identity(session, fresh_id=UUID(int=1), now=NOW)
        ensure_signing_key(session, SEALER, now=NOW)
        feed_usecases.ensure_feed_key(session, SEALER, now=NOW)
        feed_usecases.ensure_gateway(session, registration, now=NOW)
        create_user(session, PROFILE, password_hash=None, actor=SYSTEM, now=NOW)

    with closing(Db(url)) as db:
        db.write_blocking(fill)
    return path


@pytest.fixture
def fresh_databases(template: Path, tmp_path: Path) -> Iterator[Callable[[], Db]]:
    """Makes copies of it, one for each organisation."""
    opened: list[Db] = []

    def make() -> Db:
        path = tmp_path / f"{len(opened)}.db"
        shutil.copy(template, path)
        opened.append(Db(database_url(f"sqlite:///{path}")))
        return opened[-1]

    yield make
    for db in opened:
        db.close()


@settings(
    max_examples=25,
    # An example is many transactions: making one smaller would take minutes.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_instance_gateway_and_plain_model_give_one_answer(
    fresh_databases: Callable[[], Db], tmp_path: Path, data: st.DataObject
) -> None:
    play = Play(fresh_databases(), tmp_path, data)
    for _ in range(3):
        play.add_group()
    play.register()
    for _ in range(data.draw(st.integers(1, 25))):
        play.act()
        if data.draw(st.booleans()):
            play.gateway.follow()
    play.gateway.follow()
    play.check()
