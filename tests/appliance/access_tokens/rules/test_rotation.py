from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access_tokens.rules import (
    PUBLISHED,
    KeyState,
    SigningKey,
    Step,
    Timing,
    holders,
    in_state,
    next_step,
    wait_of,
)
from appliance.access_tokens.rules.rotation import OUTLIVES
from tests.instance_builders import NOW

MINUTE = timedelta(minutes=1)
TIMING = Timing(life=timedelta(days=90), max_age=MINUTE)
CURRENT = SigningKey(kid="old", state="current", created_at=NOW, signs_since=NOW)
NEXT = SigningKey(kid="new", state="next", created_at=NOW)
RETIRED = replace(CURRENT, kid="was", state="retired", ended_at=NOW)


def _step(
    *keys: SigningKey, after: timedelta, held: Mapping[str, Sequence[str]] | None = None
) -> Step | None:
    return next_step(keys, held or {}, timing=TIMING, now=NOW + after)


def test_before_the_first_key_nothing_is_due() -> None:
    assert _step(after=timedelta(days=900)) is None
    assert _step(replace(CURRENT, signs_since=None), after=timedelta(days=900)) is None


def test_a_key_is_made_so_early_that_it_signs_when_the_old_one_s_life_ends() -> None:
    assert _step(CURRENT, after=TIMING.life - MINUTE - timedelta(seconds=1)) is None
    assert _step(CURRENT, after=TIMING.life - MINUTE) == Step(action="create")


def test_a_life_shorter_than_the_max_age_makes_a_key_at_once() -> None:
    timing = replace(TIMING, life=timedelta(seconds=5))
    assert next_step((CURRENT,), {}, timing=timing, now=NOW) == Step(action="create")


def test_a_key_signs_once_it_was_published_for_max_age() -> None:
    assert _step(CURRENT, NEXT, after=MINUTE - timedelta(milliseconds=1)) is None
    assert _step(CURRENT, NEXT, after=MINUTE) == Step(action="promote", kid="new")


@pytest.mark.parametrize(
    ("held", "waits_for"),
    [
        ({"one": ["old", "new"], "two": ["new"]}, ()),
        ({"one": ["old", "new"], "two": ["old"], "four": ["was"]}, ("four", "two")),
        # It tells of no key: its release does not, or it has just begun.
        ({"one": ["old", "new"], "three": []}, ()),
    ],
)
def test_a_key_signs_once_every_present_gateway_holds_it(
    held: Mapping[str, Sequence[str]], waits_for: tuple[str, ...]
) -> None:
    wait = wait_of(NEXT, held, timing=TIMING, now=NOW + MINUTE)
    assert (wait.until, wait.gateways) == (None, waits_for)
    step = _step(CURRENT, NEXT, after=MINUTE, held=held)
    assert step == (None if waits_for else Step(action="promote", kid="new"))


def test_a_key_says_until_when_it_waits_and_who_holds_it() -> None:
    wait = wait_of(NEXT, {}, timing=TIMING, now=NOW)
    assert wait.until == NOW + MINUTE
    assert not wait.is_over
    assert holders("new", {"two": ["new"], "one": ["new", "old"], "no": ["old"]}) == ("one", "two")


@pytest.mark.parametrize("state", ["retired", "dead"])
def test_a_key_stays_until_all_that_it_signed_has_expired(state: KeyState) -> None:
    ended = replace(RETIRED, state=state)
    assert ended.gone_at == NOW + timedelta(seconds=3610)
    assert _step(CURRENT, ended, after=OUTLIVES - timedelta(seconds=1)) is None
    assert _step(CURRENT, ended, after=OUTLIVES) == Step(action="remove", kid="was")


def test_a_key_that_goes_on_is_never_gone() -> None:
    assert CURRENT.gone_at is None
    assert NEXT.gone_at is None


def test_a_clock_that_went_back_rotates_nothing() -> None:
    assert _step(CURRENT, NEXT, RETIRED, after=timedelta(days=-400)) is None


class Simulation:
    """An instance with its gateways, whose parts come and go in any order."""

    def __init__(self) -> None:
        self.now = NOW
        self.keys = [replace(CURRENT, kid="k0")]
        self.made = 1
        # What each present gateway has of the published keys.
        self.held: dict[str, set[str]] = {}
        # When the last token that a key signed expires.
        self.lives: dict[str, datetime] = {}
        self.timing = Timing(life=timedelta(minutes=30), max_age=MINUTE)

    def published(self) -> set[str]:
        return {key.kid for key in self.keys if key.state in PUBLISHED}

    def change(self, kid: str, **changes: object) -> None:
        self.keys = [replace(k, **changes) if k.kid == kid else k for k in self.keys]  # type: ignore[arg-type]  # any field

    def create(self) -> None:
        kid, self.made = f"k{self.made}", self.made + 1
        self.keys.append(SigningKey(kid=kid, state="next", created_at=self.now))

    def tick(self) -> None:
        step = next_step(self.keys, self.held, timing=self.timing, now=self.now)
        if step is None:
            return
        match step.action:
            case "create":
                self.create()
            case "promote":
                lacking = [name for name, kids in self.held.items() if step.kid not in kids]
                assert not lacking, "a key signs that a present gateway lacks"
                self.end("retired")
                self.change(step.kid, state="current", signs_since=self.now)
            case "remove":
                assert self.lives.get(step.kid, NOW) <= self.now, "a token outlives its key"
                self.keys = [key for key in self.keys if key.kid != step.kid]

    def end(self, state: KeyState) -> None:
        current = in_state(self.keys, "current")
        assert current is not None
        self.change(current.kid, state=state, ended_at=self.now)

    def rotate(self) -> None:
        if in_state(self.keys, "next") is None:
            self.create()

    def force(self) -> None:
        self.rotate()
        waiting = in_state(self.keys, "next")
        assert waiting is not None
        self.end("dead")
        self.change(waiting.kid, state="current", signs_since=self.now)

    def mint(self) -> None:
        current = in_state(self.keys, "current")
        assert current is not None
        self.lives[current.kid] = self.now + timedelta(hours=1)

    def do(self, act: str, gateway: str, seconds: int) -> None:
        match act:
            case "wait":
                self.now += timedelta(seconds=seconds)
            case "come" | "fetch":
                if act == "come" or gateway in self.held:
                    self.held[gateway] = self.published()
            case "leave":
                self.held.pop(gateway, None)
            case "tick":
                self.tick()
            case "rotate":
                self.rotate()
            case _:
                self.force()
        self.mint()
        assert [key.state for key in self.keys].count("current") == 1
        assert [key.state for key in self.keys].count("next") <= 1


ACTS = st.tuples(
    st.sampled_from(["wait", "wait", "come", "fetch", "leave", "tick", "tick", "rotate", "force"]),
    st.sampled_from(["one", "two", "three"]),
    st.sampled_from([1, 30, 61, 600, 1800, 4000]),
)


@settings(max_examples=300)
@given(st.lists(ACTS, max_size=60))
def test_in_any_order_one_key_signs_that_all_hold_and_none_is_gone_too_early(
    acts: list[tuple[str, str, int]],
) -> None:
    simulation = Simulation()
    for act, gateway, seconds in acts:
        simulation.do(act, gateway, seconds)


def test_left_alone_an_instance_rotates_for_ever() -> None:
    simulation = Simulation()
    for _ in range(6 * 60 * 24):
        simulation.do("wait", "", 10)
        simulation.do("come", "one", 0)
        simulation.do("tick", "", 0)
    assert 40 <= simulation.made <= 50
    assert len(simulation.keys) <= 5
