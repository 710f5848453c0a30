"""Chat threads: whose they are, what is kept of them, and when they go."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from appliance.ai_actions.errors import ThreadNotFoundError, TooManyRequestsError
from appliance.ai_actions.rules import Answer, Placed, Request
from appliance.ai_actions.rules.chat.threads import MAX_THREADS, UNUSED_FOR
from appliance.ai_actions.usecases import accept, claim, end, ended_of, threads
from appliance.errors import NotFoundError
from appliance.storage.engine import Db, Session
from tests.appliance.ai_actions.builders import a_wish
from tests.instance_builders import NOW

Ask = Callable[..., Request]


def ask(session: Session, text: str, **changes: Any) -> Request:
    """A question that was accepted, in the thread that it names or begins."""
    now = changes.pop("now", NOW)
    wish = a_wish(action="chat", inputs={"content": text}, **changes)
    thread_id = threads.open_thread(session, wish, now=now)
    request = accept(session, wish, Placed(thread_id=thread_id), requests_per_8h=0, now=now)
    threads.note_question(session, request, now=now)
    return request


@pytest.fixture
def asked(db: Db, users: tuple[int, ...]) -> Ask:
    """Asks in chat, as the first user unless it is said otherwise."""
    return lambda text, **changes: db.write_blocking(
        lambda session: ask(session, text, **{"user_id": users[0], **changes})
    )


def answer(db: Db, request: Request, text: str = "Because.", **said: Any) -> None:
    db.write_blocking(
        lambda s: threads.note_answer(
            s, request, Answer(content=text, **said), uid=f"a-{request.uid}", now=NOW
        )
    )


def said(db: Db, user_id: int, **wanted: Any) -> list[tuple[str, str | None]]:
    found = db.read_blocking(lambda s: threads.messages_of(s, user_id, **wanted))
    return [(each.role, each.content) for each in found]


def test_a_thread_has_the_question_and_the_answer(db: Db, asked: Ask) -> None:
    request = asked("Why?", conversation_type="DUO_CHAT")
    answer(db, request, errors=("x",), extras={"sources": [{"title": "t"}]})
    found = db.read_blocking(
        lambda s: threads.messages_of(s, request.user_id, thread_id=request.thread_id)
    )
    assert [(each.role, each.content, each.request_uid) for each in found] == [
        ("USER", "Why?", request.uid),
        ("ASSISTANT", "Because.", request.uid),
    ]
    assert found[1].extras == {"sources": [{"title": "t"}], "hasFeedback": False}
    assert (found[1].errors, found[1].thread_id) == (("x",), request.thread_id)


def test_an_answer_that_is_given_again_is_the_same_one(db: Db, asked: Ask) -> None:
    request = asked("Why?")
    answer(db, request)
    answer(db, request, "Another.")
    assert said(db, request.user_id) == [("USER", "Why?"), ("ASSISTANT", "Because.")]


def test_what_needs_no_answer_has_none(db: Db, asked: Ask) -> None:
    request = asked("/reset")
    answer(db, request, "", is_silent=True)
    assert said(db, request.user_id) == [("USER", "/reset")]


def test_each_conversation_begins_a_thread_and_the_one_without_threads_goes_on(
    db: Db, asked: Ask
) -> None:
    first, second = (asked("a", conversation_type="DUO_CHAT") for _ in range(2))
    assert first.thread_id != second.thread_id
    later = NOW + timedelta(minutes=1)
    assert asked("b", thread_id=first.thread_id, now=later).thread_id == first.thread_id
    legacy = asked("c")
    assert asked("d", conversation_type="DUO_CHAT_LEGACY").thread_id == legacy.thread_id
    assert said(db, legacy.user_id) == [("USER", "c"), ("USER", "d")]
    assert said(db, legacy.user_id, conversation_type="DUO_CHAT") == [("USER", "a"), ("USER", "b")]
    assert said(db, legacy.user_id, conversation_type="DUO_QUICK_CHAT") == []


def test_another_users_thread_is_not_there(db: Db, asked: Ask, users: tuple[int, ...]) -> None:
    request = asked("secret", conversation_type="DUO_CHAT")
    at = request.thread_id or 0
    for wrong in (at, at + 1000, -1, 2**40):
        with pytest.raises(ThreadNotFoundError):
            asked("x", user_id=users[1], thread_id=wrong)
    assert said(db, users[1], thread_id=at) == []
    assert said(db, users[1], request_uids=[request.uid]) == []
    assert not db.read_blocking(lambda s: threads.list_threads(s, users[1], thread_id=at))
    with pytest.raises(ThreadNotFoundError):
        db.write_blocking(lambda s: threads.delete_thread(s, users[1], at))
    assert said(db, users[0], thread_id=at) == [("USER", "secret")]


def test_messages_are_found_by_request_and_role(db: Db, asked: Ask) -> None:
    first, second = asked("a", conversation_type="DUO_CHAT"), asked("b")
    answer(db, first)
    of_first = said(db, first.user_id, request_uids=[first.uid], roles=["ASSISTANT"])
    assert of_first == [("ASSISTANT", "Because.")]
    both = said(db, first.user_id, request_uids=[first.uid, second.uid], roles=["USER"])
    assert both == [("USER", "a"), ("USER", "b")]


@pytest.mark.parametrize("command", ["/clear", "/new and more"])
def test_wiping_leaves_nothing_not_even_what_is_answered_later(
    db: Db, asked: Ask, command: str
) -> None:
    running = asked("What is the password?")
    wiping = asked(command)
    assert wiping.thread_id == running.thread_id
    answer(db, running, "It is secret.")
    answer(db, wiping, "", is_silent=True)
    assert said(db, running.user_id) == []
    assert db.read_blocking(lambda s: threads.list_threads(s, running.user_id))[0].title == ""
    assert said(db, asked("again").user_id) == [("USER", "again")]


def test_what_was_reset_is_kept_and_not_told_again(db: Db, asked: Ask) -> None:
    answer(db, asked("a"), "b")
    asked("/reset")
    answer(db, asked("c"), "d")
    request = asked("e")

    def told(session: Session) -> list[str | None]:
        found = threads.told_before(session, request)
        return [text for turn in found for text in (turn.question, turn.answer)]

    assert db.read_blocking(told) == ["c", "d"]
    assert len(said(db, request.user_id)) == 6


def test_questions_without_an_answer_and_failures_are_not_told_again(db: Db, asked: Ask) -> None:
    asked("no answer yet")
    answer(db, asked("failed"), "Error", errors=("Error",))
    answer(db, asked("good"), "answer")
    request = asked("now")
    asked("later")
    turns = db.read_blocking(lambda s: threads.told_before(s, request))
    assert [(each.question, each.answer) for each in turns] == [("good", "answer")]


def test_threads_are_listed_by_use_and_named_by_their_first_question(db: Db, asked: Ask) -> None:
    first = asked("First?\nmore", conversation_type="DUO_CHAT")
    asked("Second?", conversation_type="DUO_QUICK_CHAT", now=NOW + timedelta(minutes=1))
    asked("Again", thread_id=first.thread_id, now=NOW + timedelta(minutes=2))
    found = db.read_blocking(lambda s: threads.list_threads(s, first.user_id))
    assert [each.title for each in found] == ["First?", "Second?"]
    only = db.read_blocking(
        lambda s: threads.list_threads(s, first.user_id, conversation_type="DUO_CHAT")
    )
    assert [each.id for each in only] == [first.thread_id]
    named = db.read_blocking(
        lambda s: threads.list_threads(
            s, first.user_id, thread_id=first.thread_id, conversation_type="DUO_QUICK_CHAT"
        )
    )
    assert named == []


def ended(db: Db, request: Request) -> None:
    """The request is claimed and ended by a worker, with an answer that is kept in its thread."""
    answered = Answer(content="Because.")

    def work(session: Session) -> None:
        claimed = claim(session, "w", most_of_a_user=9, now=NOW, uid=request.uid)
        assert claimed is not None
        assert end(session, claimed, answered, worker="w", now=NOW) is not None
        threads.note_answer(session, claimed, answered, uid=f"a-{request.uid}", now=NOW)

    db.write_blocking(work)


def remembered(db: Db, request: Request) -> list[tuple[str, bool]]:
    found = db.read_blocking(lambda s: ended_of(s, request.user_id, [request.uid]))
    return [(each.answer.content, each.answer.is_silent) for each in found]


def test_a_deleted_thread_takes_its_messages_along(db: Db, asked: Ask) -> None:
    request = asked("a")
    ended(db, request)
    assert remembered(db, request) == [("Because.", False)]
    db.write_blocking(lambda s: threads.delete_thread(s, request.user_id, request.thread_id or 0))
    assert said(db, request.user_id, request_uids=[request.uid]) == []
    assert remembered(db, request) == [("", True)]
    answer(db, request)
    assert not db.read_blocking(lambda s: threads.list_threads(s, request.user_id))


def test_what_is_asked_in_a_thread_that_is_deleted_is_still_answered(db: Db, asked: Ask) -> None:
    request = asked("a")
    db.write_blocking(lambda s: threads.delete_thread(s, request.user_id, request.thread_id or 0))
    ended(db, request)
    assert remembered(db, request) == [("Because.", False)]


def test_deleting_and_wiping_give_no_more_requests(db: Db, asked: Ask) -> None:
    request = asked("a")
    ended(db, request)
    asked("/clear")
    assert remembered(db, request) == [("", True)]
    db.write_blocking(lambda s: threads.delete_thread(s, request.user_id, request.thread_id or 0))
    with pytest.raises(TooManyRequestsError):
        db.write_blocking(
            lambda s: accept(
                s, a_wish(user_id=request.user_id), Placed(), requests_per_8h=2, now=NOW
            )
        )


def test_threads_go_when_nobody_uses_them_or_there_are_too_many(
    db: Db, asked: Ask, users: tuple[int, ...]
) -> None:
    old = asked("old", conversation_type="DUO_CHAT")
    used = NOW + UNUSED_FOR
    new = asked("new", conversation_type="DUO_CHAT", now=used)
    later = used + timedelta(seconds=1)
    assert db.write_blocking(lambda s: threads.delete_unused_threads(s, now=later)) == 1
    there = db.read_blocking(lambda s: threads.list_threads(s, users[0]))
    assert [each.id for each in there] == [new.thread_id]
    assert old.thread_id not in {each.id for each in there}
    for _ in range(MAX_THREADS):
        asked("more", conversation_type="DUO_CHAT", now=used + timedelta(minutes=90))
    there = db.read_blocking(lambda s: threads.list_threads(s, users[0]))
    assert new.thread_id not in {each.id for each in there}
    assert len(there) == MAX_THREADS


def test_feedback_is_noted_on_an_answer_of_ones_own(
    db: Db, asked: Ask, users: tuple[int, ...]
) -> None:
    request = asked("a")
    answer(db, request)
    for user_id, uid in (
        (users[1], f"a-{request.uid}"),
        (users[0], "nothing"),
        (users[0], threads.question_uid(request)),
    ):
        with pytest.raises(NotFoundError):
            db.write_blocking(partial(threads.give_feedback, user_id=user_id, message_uid=uid))
    db.write_blocking(lambda s: threads.give_feedback(s, users[0], f"a-{request.uid}"))
    found = db.read_blocking(lambda s: threads.messages_of(s, users[0], roles=["ASSISTANT"]))
    assert found[0].extras["hasFeedback"] is True


def test_what_was_sent_along_is_shown_again_without_its_text(
    db: Db, users: tuple[int, ...]
) -> None:
    sent = [{"category": "file", "id": "a.py", "content": "x = 1", "metadata": {"n": 1}}]

    def work(session: Session) -> Request:
        wish = a_wish(
            action="chat",
            user_id=users[0],
            inputs={"content": "a", "additional_context": sent},
        )
        at = threads.open_thread(session, wish, now=NOW)
        made = accept(session, wish, Placed(thread_id=at), requests_per_8h=0, now=NOW)
        threads.note_question(session, made, now=NOW)
        return made

    made = db.write_blocking(work)
    (found,) = db.read_blocking(lambda s: threads.messages_of(s, made.user_id))
    assert found.extras["additionalContext"] == [{**sent[0], "content": ""}]
