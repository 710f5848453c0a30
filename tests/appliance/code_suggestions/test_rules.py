import pytest

from appliance.code_suggestions.rules import enablement_type


@pytest.mark.parametrize(
    ("add_ons", "told"),
    [
        (set(), ""),
        ({"amazonq_pro"}, "duo_amazon_q"),
        ({"duo_core", "duo_pro"}, "duo_pro"),
        ({"duo_pro", "duo_enterprise"}, "duo_enterprise"),
        ({"of_a_later_release"}, ""),
    ],
)
def test_the_widest_add_on_is_told(add_ons: set[str], told: str) -> None:
    assert enablement_type(add_ons) == told
