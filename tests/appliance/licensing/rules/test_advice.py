from datetime import timedelta

import pytest

from appliance.licensing.rules import advice
from tests.instance_builders import NOW
from tests.licence_builders import a_purchase, an_item

DAY = timedelta(days=1)


def life(*items: object) -> str | None:
    return advice.life_warning(a_purchase("x", *items), title="Duo", at=NOW)  # type: ignore[arg-type]  # items


@pytest.mark.parametrize(
    ("life_of", "words"),
    [
        ((NOW - DAY, NOW + 30 * DAY), "Duo ends on 2026-12-21; upload"),
        ((NOW + DAY, NOW + 90 * DAY), "Duo begins on 2026-11-22"),
        ((NOW - 9 * DAY, NOW - DAY), "Duo ended on 2026-11-20 and works until 2026-12-04"),
        ((NOW - 90 * DAY, NOW - 60 * DAY), "Duo has ended"),
    ],
)
def test_what_ends_or_ended_or_has_not_begun_is_told(
    life_of: tuple[object, object], words: str
) -> None:
    starts_at, ends_at = life_of
    said = life(an_item(starts_at=starts_at, ends_at=ends_at))
    assert said is not None
    assert said.startswith(words)


def test_what_lasts_longer_than_a_month_needs_no_word() -> None:
    assert life(an_item(ends_at=NOW + 31 * DAY)) is None
    assert life(an_item(ends_at=NOW + DAY), an_item(ends_at=NOW + 90 * DAY)) is None


def test_seats_beyond_what_is_owned_are_told() -> None:
    assert advice.limit_warning(title="Duo", quantity=5, given=5) is None
    said = advice.limit_warning(title="Duo", quantity=5, given=7)
    assert said is not None
    assert "the 2 given last" in said


def test_a_clock_that_was_set_back_wins_nothing_and_is_told() -> None:
    later = NOW + timedelta(minutes=6)
    assert advice.effective_time(NOW, later) == later
    assert advice.effective_time(NOW, None) == NOW
    assert advice.effective_time(later, NOW) == later
    said = advice.clock_warning(NOW, later)
    assert said is not None
    assert "12:06 was already seen" in said


@pytest.mark.parametrize("latest", [None, NOW, NOW + timedelta(minutes=5)])
def test_a_clock_that_wanders_a_little_is_not_told(latest: object) -> None:
    assert advice.clock_warning(NOW, latest) is None  # type: ignore[arg-type]  # parametrised


def test_a_demo_licence_is_marked_and_a_replaced_one_too() -> None:
    assert advice.replaced_warning(is_demo=False, counts=True) is None
    assert "demo authority" in (advice.replaced_warning(is_demo=True, counts=True) or "")
    assert "no longer counts" in (advice.replaced_warning(is_demo=True, counts=False) or "")
