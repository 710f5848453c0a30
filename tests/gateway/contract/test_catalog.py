from importlib.resources import files

import msgspec
import pytest

from appliance.licensing import rules as licensing
from appliance.licensing.rules import Grant, Seat
from gateway.contract.catalog import Catalog, CatalogError, load_catalog, parse_catalog
from gateway.contract.claims import Claims
from gateway.errors import FeatureNotGrantedError, ProviderNotEntitledError
from gateway.policy.permits import permit_feature, permit_provider
from tests.builders import some_claims
from tests.instance_builders import NOW
from tests.licence_builders import a_purchase, an_item

SMALL = """
[unit_primitives.chat]
description = "Chat"
[model_families.general]
title = "General"
release_state = "GA"
context_tokens = 8000
prompt_style = "chat"
[features.talk]
title = "Talk"
main_feature = "Talk"
release_state = "GA"
unit_primitives = ["chat"]
model_families = ["general"]
[providers.own]
title = "Own"
[add_ons.pro]
title = "Pro"
has_seats = true
opens = ["chat"]
entitles = ["own"]
[add_ons.host]
title = "Host"
has_seats = false
entitles = ["own"]
accompanies = ["pro"]
graphql_type = "HOST"
"""


def test_the_catalogue_of_this_release_holds_together() -> None:
    catalog = load_catalog()
    assert len(catalog.features) == 18
    assert catalog.providers.keys() == {"shm", "duo", "amazonq"}
    assert catalog is load_catalog()


def test_what_is_sold_gives_what_the_product_cases_say() -> None:
    add_ons = load_catalog().add_ons
    assert "duo_chat" in add_ons["duo_pro"].opens
    assert set(add_ons["duo_pro"].opens) < set(add_ons["duo_enterprise"].opens)
    assert (add_ons["duo_self_hosted"].opens, add_ons["duo_self_hosted"].entitles) == ((), ("shm",))
    assert add_ons["amazonq_pro"].opens == ("duo_chat",)
    assert add_ons["amazonq_pro"].entitles == ("amazonq",)
    assert all("shm" not in add_ons[name].entitles for name in ("duo_core", "duo_pro"))


def test_every_feature_that_can_be_asked_for_is_sold() -> None:
    catalog = load_catalog()
    sold = {each for add_on in catalog.add_ons.values() for each in add_on.opens}
    for feature in catalog.features.values():
        assert set(feature.unit_primitives) <= sold


def test_a_unit_primitive_belongs_to_its_feature() -> None:
    assert parse_catalog(SMALL).features_by_unit_primitive() == {"chat": "talk"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('unit_primitives = ["chat"]', 'unit_primitives = ["x"]', "feature talk: unknown"),
        ('opens = ["chat"]', 'opens = ["x"]', "add-on pro: unknown unit primitive x"),
        ('entitles = ["own"]', 'entitles = ["x"]', "add-on pro: unknown provider x"),
        ('accompanies = ["pro"]', 'accompanies = ["x"]', "add-on host: unknown add-on x"),
        ('model_families = ["general"]', 'model_families = ["x"]', "unknown model family x"),
        ('opens = ["chat"]', 'opens = ["chat", "chat"]', "chat is named twice"),
        ("[providers.own]", "[providers.Own]", "'Own' is not lower_snake"),
        (
            "[providers.own]",
            '[providers.o_wn]\ntitle = "x"\n[providers.own]',
            "'own' is there twice",
        ),
        ('title = "Pro"', 'title = "Pro"\ngraphql_type = "HOST"', "HOST is claimed twice"),
        ('entitles = ["own"]\nacc', "acc", "add-on host: opens and entitles nothing"),
        ("has_seats = false", "has_seats = true", "host: has seats, but they open nothing"),
        ("has_seats = false", 'has_seats = true\nopens = ["chat"]', "no seats of its own"),
        ("has_seats = true", "has_seats = false", "accompanies pro, which has no seats"),
        ('title = "Own"', 'titel = "Own"', "titel"),
        ('release_state = "GA"', 'release_state = "SOON"', "SOON"),
        ("[providers.own]", "[providers.own", "Expected"),
        ("has_seats = true", 'has_seats = "yes"', "has_seats"),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(old: str, new: str, problem: str) -> None:
    with pytest.raises(CatalogError, match=problem):
        parse_catalog(SMALL.replace(old, new))


def test_a_unit_primitive_of_two_features_is_refused() -> None:
    talk = SMALL[SMALL.index("[features.talk]") : SMALL.index("[providers")]
    with pytest.raises(CatalogError, match="chat is claimed twice"):
        parse_catalog(SMALL + talk.replace("features.talk", "features.shout"))


def test_a_name_defined_twice_is_refused() -> None:
    with pytest.raises(CatalogError):
        parse_catalog(SMALL + '\n[providers.own]\ntitle = "Again"\n')


# Everything that a new provider and a new feature need.
ONE_MORE_OF_EACH = """
[unit_primitives.draw_diagram]
description = "Draw a diagram"
[features.diagrams]
title = "Diagrams"
main_feature = "Drawing"
release_state = "BETA"
unit_primitives = ["draw_diagram"]
model_families = ["general"]
[providers.acme]
title = "Acme"
[add_ons.duo_drawing]
title = "Duo Drawing"
has_seats = true
opens = ["draw_diagram"]
[add_ons.duo_acme]
title = "Duo on Acme"
has_seats = false
entitles = ["acme"]
"""


def granted(catalog: Catalog, *, with_seat: bool) -> Grant:
    drawing, acme = a_purchase("duo_drawing", an_item(), id=1), a_purchase("duo_acme", an_item())
    seat = Seat(id=1, purchase_id=1, user_id=7, given_at=NOW, given_by=None, is_over_limit=False)
    held = [
        licensing.holding(
            each,
            seat if with_seat and each is drawing else None,
            owned=(drawing, acme),
            catalog=catalog,
            at=NOW,
        )
        for each in (drawing, acme)
    ]
    return licensing.grant(held, catalog, at=NOW)


def claims_of(grant: Grant) -> Claims:
    wanted = some_claims(scopes=list(grant.scopes), providers=list(grant.providers))
    return msgspec.convert(wanted, Claims)


def test_one_more_feature_and_provider_are_data_alone() -> None:
    text = files("gateway.contract").joinpath("catalog.toml").read_text("utf-8")
    catalog = parse_catalog(text + ONE_MORE_OF_EACH)
    assert catalog.features_by_unit_primitive()["draw_diagram"] == "diagrams"
    assert "acme" in catalog.registrable_providers()
    claims = claims_of(granted(catalog, with_seat=True))
    permit_feature(claims, "draw_diagram")
    permit_provider(claims, "acme")
    without_seat = claims_of(granted(catalog, with_seat=False))
    permit_provider(without_seat, "acme")
    with pytest.raises(FeatureNotGrantedError):
        permit_feature(without_seat, "draw_diagram")
    with pytest.raises(ProviderNotEntitledError):
        permit_provider(claims, "shm")
