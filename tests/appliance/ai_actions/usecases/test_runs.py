"""Claims: fair, held for a while, and ended by who holds them alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from appliance.ai_actions.rules import Answer, Ended, Request
from appliance.ai_actions.usecases import (
    claim,
    end,
    ended_elsewhere,
    final_message,
    give_back,
    is_work_waiting,
    renew,
)
from appliance.ai_actions.usecases.runs import LEASE
from appliance.storage.engine import Db
from tests.instance_builders import NOW

Accept = Callable[..., Request]
AFTER_LEASE = NOW + LEASE + timedelta(seconds=1)


def claimed(db: Db, worker: str = "w", *, most: int = 9, at: timedelta | None = None) -> Request:
    found = db.write_blocking(
        lambda s: claim(s, worker, most_of_a_user=most, now=NOW + (at or timedelta()))
    )
    assert found is not None
    return found


def end_it(db: Db, request: Request, worker: str = "w") -> Ended | None:
    answer = Answer(content="done")
    return db.write_blocking(lambda s: end(s, request, answer, worker=worker, now=NOW))


def test_nothing_is_claimed_when_nothing_waits(db: Db) -> None:
    assert not db.read_blocking(lambda s: is_work_waiting(s, now=NOW))
    assert db.write_blocking(lambda s: claim(s, "w", most_of_a_user=1, now=NOW)) is None


def test_who_has_least_under_way_comes_first(
    db: Db, users: tuple[int, ...], accepted: Accept
) -> None:
    first = [accepted(user_id=users[0]) for _ in range(3)]
    second = accepted(user_id=users[1])
    order = [claimed(db).uid for _ in range(4)]
    assert order == [first[0].uid, second.uid, first[1].uid, first[2].uid]


def test_nobody_has_more_under_way_than_one_may(
    db: Db, users: tuple[int, ...], accepted: Accept
) -> None:
    for _ in range(3):
        accepted(user_id=users[0])
    accepted(user_id=users[1])
    owners = [claimed(db, most=1).user_id for _ in range(2)]
    assert owners == [users[0], users[1]]
    assert db.write_blocking(lambda s: claim(s, "w", most_of_a_user=1, now=NOW)) is None


def test_each_request_is_claimed_once(db: Db, accepted: Accept) -> None:
    asked = {accepted().uid for _ in range(12)}

    def take(worker: int) -> list[str]:
        taken = []
        for _ in range(12):
            found = db.write_blocking(lambda s: claim(s, f"w{worker}", most_of_a_user=99, now=NOW))
            taken += [found.uid] if found else []
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [uid for part in pool.map(take, range(4)) for uid in part]
    assert sorted(taken) == sorted(asked)


def test_a_worker_that_died_loses_its_request_to_the_next(db: Db, accepted: Accept) -> None:
    accepted()
    lost = claimed(db, "dead")
    assert not db.read_blocking(lambda s: is_work_waiting(s, now=NOW + LEASE))
    assert db.read_blocking(lambda s: is_work_waiting(s, now=AFTER_LEASE))
    again = claimed(db, "alive", at=AFTER_LEASE - NOW)
    assert (again.uid, again.attempt) == (lost.uid, 2)
    assert end_it(db, lost, "dead") is None
    assert end_it(db, again, "alive") is not None
    assert end_it(db, again, "alive") is None


def test_an_earlier_attempt_of_the_same_worker_ends_nothing(db: Db, accepted: Accept) -> None:
    accepted()
    first = claimed(db)
    second = claimed(db, at=AFTER_LEASE - NOW)
    assert end_it(db, first) is None
    assert end_it(db, second) is not None


def test_a_renewed_request_stays_with_its_worker(db: Db, accepted: Accept) -> None:
    accepted()
    held = claimed(db)
    attempts = {held.uid: held.attempt}
    found = db.write_blocking(lambda s: renew(s, "w", attempts, now=NOW + LEASE))
    assert [each.uid for each in found] == [held.uid]
    assert not db.read_blocking(lambda s: is_work_waiting(s, now=AFTER_LEASE))
    assert not db.write_blocking(lambda s: renew(s, "other", attempts, now=NOW))


def test_what_is_given_back_waits_again_at_once(db: Db, accepted: Accept) -> None:
    accepted()
    held = claimed(db)
    db.write_blocking(lambda s: give_back(s, "other", {held.uid: held.attempt}))
    assert not db.read_blocking(lambda s: is_work_waiting(s, now=NOW))
    db.write_blocking(lambda s: give_back(s, "w", {held.uid: held.attempt}))
    assert claimed(db, "next").attempt == 2


def test_answers_of_other_workers_are_found_and_one_s_own_are_not(
    db: Db, users: tuple[int, ...], accepted: Accept
) -> None:
    accepted(), accepted()
    mine, theirs = claimed(db, "mine"), claimed(db, "theirs")
    end_it(db, mine, "mine")
    end_it(db, theirs, "theirs")
    found = db.read_blocking(lambda s: ended_elsewhere(s, NOW, user_ids=[users[0]], worker="mine"))
    assert [each.request.uid for each in found] == [theirs.uid]
    others = [users[1]]
    assert not db.read_blocking(lambda s: ended_elsewhere(s, NOW, user_ids=others, worker="mine"))


def test_the_answer_has_the_same_name_in_every_attempt(db: Db, accepted: Accept) -> None:
    accepted()
    first = claimed(db)
    second = claimed(db, at=AFTER_LEASE - NOW)
    names = {
        final_message(
            Ended(request=each, answer=Answer(content=""), ended_at=NOW), content_html=None
        ).uid
        for each in (first, second)
    }
    assert len(names) == 1
