from datetime import timedelta
from typing import Any

import pytest

from appliance.licensing.rules import Item, Purchase
from appliance.model_selection.rules.entitling import why_not_entitled
from gateway.contract.catalog import load_catalog
from tests.instance_builders import NOW


def _a_purchase(add_on: str, quantity: int = 5, **changes: Any) -> Purchase:
    fields = {
        "licence_id": 1,
        "quantity": quantity,
        "starts_at": NOW,
        "ends_at": NOW + timedelta(days=9),
        "grace_ends_at": NOW + timedelta(days=9),
        "accompanies": None,
    }
    item = Item(**{**fields, **changes})
    return Purchase(id=1, add_on=add_on, root_namespace_id=None, items=(item,))


def _why(provider: str, *owned: Purchase) -> str | None:
    return why_not_entitled(provider, owned, load_catalog(), at=NOW)


def test_what_is_owned_entitles_without_a_seat() -> None:
    assert _why("duo", _a_purchase("duo_pro")) is None
    assert _why("amazonq", _a_purchase("duo_core"), _a_purchase("amazonq_pro")) is None


@pytest.mark.parametrize(
    ("owned", "sentence"),
    [
        ((), "Self-hosted models need one of these, of which none was bought: GitLab Duo Self-Ho"),
        ((_a_purchase("duo_pro"),), "none was bought: GitLab Duo Self-Hosted."),
        (
            (_a_purchase("duo_self_hosted", starts_at=NOW + timedelta(days=1)),),
            "What was bought of GitLab Duo Self-Hosted is not valid now",
        ),
        (
            (_a_purchase("duo_pro", 3), _a_purchase("duo_self_hosted", accompanies="duo_pro")),
            "GitLab Duo Self-Hosted is suspended: 5",
        ),
    ],
)
def test_what_is_missing_is_said(owned: tuple[Purchase, ...], sentence: str) -> None:
    assert sentence in (_why("shm", *owned) or "")
