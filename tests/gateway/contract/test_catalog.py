import pytest

from gateway.contract.catalog import CatalogError, load_catalog, parse_catalog

SMALL = """
[unit_primitives.chat]
description = "Chat"
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
"""


def test_the_catalogue_of_this_release_holds_together() -> None:
    catalog = load_catalog()
    assert {"duo_chat", "complete_code"} <= catalog.unit_primitives.keys()
    assert "shm" in catalog.providers


def test_a_unit_primitive_belongs_to_its_feature() -> None:
    assert parse_catalog(SMALL).features_by_unit_primitive() == {"chat": "talk"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('unit_primitives = ["chat"]', 'unit_primitives = ["x"]', "feature talk: unknown"),
        ('opens = ["chat"]', 'opens = ["x"]', "add-on pro: unknown unit primitive x"),
        ('entitles = ["own"]', 'entitles = ["x"]', "add-on pro: unknown provider x"),
        ('unit_primitives = ["chat"]', 'unit_primitives = ["chat", "chat"]', "claimed twice"),
        ('title = "Own"', 'titel = "Own"', "titel"),
        ('release_state = "GA"', 'release_state = "SOON"', "SOON"),
        ("[providers.own]", "[providers.own", "Expected"),
        ("has_seats = true", 'has_seats = "yes"', "has_seats"),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(old: str, new: str, problem: str) -> None:
    with pytest.raises(CatalogError, match=problem):
        parse_catalog(SMALL.replace(old, new))


def test_a_name_defined_twice_is_refused() -> None:
    with pytest.raises(CatalogError):
        parse_catalog(SMALL + '\n[providers.own]\ntitle = "Again"\n')
