"""Taking wishes on: how often, and what is left when they have ended."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from appliance.ai_actions.errors import TooManyRequestsError
from appliance.ai_actions.rules import Answer, Placed, Request, ResourceRef
from appliance.ai_actions.usecases import (
    accept,
    ask_to_cancel,
    claim,
    end,
    ended_of,
    forget_ended,
)
from appliance.storage.engine import Db, Session
from tests.appliance.ai_actions.builders import a_wish
from tests.instance_builders import NOW

Accept = Callable[..., Request]


def test_an_accepted_request_is_what_was_wished_for(db: Db, users: tuple[int, ...]) -> None:
    wish = a_wish(
        user_id=users[0],
        resource=ResourceRef(kind="Issue", id=52),
        client_subscription_id="randomId",
        inputs={"code": "x", "lines": [1, 2]},
    )
    placed = Placed(namespace_id=3, project_id=4)
    made = db.write_blocking(lambda s: accept(s, wish, placed, requests_per_8h=0, now=NOW))
    assert (made.state, made.attempt, made.is_cancelled) == ("queued", 0, False)
    assert (made.resource, made.inputs) == (wish.resource, wish.inputs)
    assert (made.namespace_id, made.project_id) == (3, 4)
    assert made.client_subscription_id == "randomId"


def test_who_asked_as_often_as_they_may_is_refused_until_eight_hours_later(
    db: Db, users: tuple[int, ...]
) -> None:
    def ask(session: Session, hours: float) -> Request:
        now = NOW + timedelta(hours=hours)
        wish = a_wish(user_id=users[0])
        return accept(session, wish, Placed(), requests_per_8h=2, now=now)

    db.write_blocking(lambda s: ask(s, 0))
    db.write_blocking(lambda s: ask(s, 1))
    with pytest.raises(TooManyRequestsError, match="2 AI requests within 8 hours"):
        db.write_blocking(lambda s: ask(s, 7.9))
    assert db.write_blocking(lambda s: ask(s, 8.1)).id


def test_the_limit_holds_for_questions_at_once(db: Db, users: tuple[int, ...]) -> None:
    def ask(_: int) -> bool:
        wish = a_wish(user_id=users[0])
        try:
            db.write_blocking(lambda s: accept(s, wish, Placed(), requests_per_8h=3, now=NOW))
        except TooManyRequestsError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(ask, range(12))) == 3


def test_another_user_s_requests_do_not_count(db: Db, users: tuple[int, ...]) -> None:
    wishes = [a_wish(user_id=user_id) for user_id in users]
    for wish in wishes:
        work = partial(accept, wish=wish, placed=Placed(), requests_per_8h=1, now=NOW)
        assert db.write_blocking(work).user_id == wish.user_id


def test_an_ended_request_is_its_user_s_alone(
    db: Db, users: tuple[int, ...], accepted: Accept
) -> None:
    asked = accepted()
    assert not db.read_blocking(lambda s: ended_of(s, users[0], [asked.uid]))
    held = db.write_blocking(lambda s: claim(s, "w", most_of_a_user=1, now=NOW))
    assert held is not None
    answer = Answer(content="done", extras={"sources": []})
    db.write_blocking(lambda s: end(s, held, answer, worker="w", now=NOW))
    (ended,) = db.read_blocking(lambda s: ended_of(s, users[0], [asked.uid]))
    assert ended.answer == answer
    assert ended.request.inputs == {}
    assert not db.read_blocking(lambda s: ended_of(s, users[1], [asked.uid]))


def test_only_its_user_cancels_a_request_and_only_before_it_ended(
    db: Db, users: tuple[int, ...], accepted: Accept
) -> None:
    asked = accepted()
    assert not db.write_blocking(lambda s: ask_to_cancel(s, users[1], asked.uid))
    assert db.write_blocking(lambda s: ask_to_cancel(s, users[0], asked.uid))
    held = db.write_blocking(lambda s: claim(s, "w", most_of_a_user=1, now=NOW))
    assert held is not None
    assert held.is_cancelled
    db.write_blocking(lambda s: end(s, held, Answer(content=""), worker="w", now=NOW))
    assert not db.write_blocking(lambda s: ask_to_cancel(s, users[0], asked.uid))


def test_what_ended_a_day_ago_is_forgotten_and_what_runs_is_not(
    db: Db, users: tuple[int, ...], accepted: Accept
) -> None:
    old, running = accepted(), accepted()
    held = db.write_blocking(lambda s: claim(s, "w", most_of_a_user=9, now=NOW, uid=old.uid))
    assert held is not None
    db.write_blocking(lambda s: end(s, held, Answer(content="x"), worker="w", now=NOW))
    db.write_blocking(lambda s: forget_ended(s, now=NOW + timedelta(hours=23)))
    assert db.read_blocking(lambda s: ended_of(s, users[0], [old.uid]))
    db.write_blocking(lambda s: forget_ended(s, now=NOW + timedelta(hours=25)))
    assert not db.read_blocking(lambda s: ended_of(s, users[0], [old.uid]))
    again = db.write_blocking(lambda s: claim(s, "w", most_of_a_user=9, now=NOW))
    assert again is not None
    assert again.uid == running.uid
