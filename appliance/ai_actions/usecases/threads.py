"""Chat threads: what a user and the model said to each other, kept for the user alone."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from appliance.ai_actions import tables
from appliance.ai_actions.errors import ThreadNotFoundError
from appliance.ai_actions.rules import Answer, ConversationType, Message, Request, Role, Wish
from appliance.ai_actions.rules.chat.contexts import context_for_user
from appliance.ai_actions.rules.chat.history import MAX_TURNS, Turn
from appliance.ai_actions.rules.chat.slash_commands import WIPING, asked_command
from appliance.ai_actions.rules.chat.threads import (
    DEFAULT_TYPE,
    MAX_THREADS,
    UNUSED_FOR,
    Thread,
    title_of,
)
from appliance.ai_actions.tables.threads import ThreadRow, Wanted
from appliance.errors import NotFoundError
from appliance.storage.engine import Session

# As long as nothing of a thread can still be running: its requests would go with it.
STILL_USED = timedelta(hours=1)
MAX_MESSAGES = 200
# Threads beyond MAX_THREADS stay for a while.
MAX_LISTED = 2 * MAX_THREADS


def open_thread(session: Session, wish: Wish, *, now: datetime) -> int:
    """The thread in which a question is asked: the one it names, else the newest or a new one.

    The newest goes on where no kind of conversation is named, or the one without threads.

    Raises:
        ThreadNotFoundError: the wish names a thread that is not the user's.
    """
    wanted = wish.conversation_type or DEFAULT_TYPE
    if wish.thread_id is not None:
        row = _own(session, wish.user_id, wish.thread_id)
    elif wanted == DEFAULT_TYPE:
        found = _newest(session, wish.user_id, wanted)
        row = found or _begin(session, wish.user_id, wanted, now=now)
    else:
        row = _begin(session, wish.user_id, wanted, now=now)
    return tables.threads.thread_of(row).id


def note_question(session: Session, request: Request, *, now: datetime) -> Message:
    """Keeps what the user said; `/clear` and `/new` are not kept, and nothing before them is.

    After `/reset` all is kept, and nothing up to it is told to a model again.

    Raises:
        ThreadNotFoundError: the request is of no thread, or that is gone.
    """
    text = str(request.inputs.get("content", ""))
    thread = _own(session, request.user_id, request.thread_id or 0)
    thread.updated_at = now
    shown = context_for_user(request.inputs)
    said = Message(
        uid=question_uid(request),
        request_uid=request.uid,
        role="USER",
        timestamp=now,
        content=text,
        extras={"additionalContext": shown} if shown else {},
        thread_id=request.thread_id,
    )
    asked = asked_command(text)
    name = None if asked is None else asked.command.name
    if name in WIPING:
        tables.threads.wipe(session, said.thread_id or 0)
        thread.title = ""
        session.flush()
        return said
    kept = tables.threads.add_message(session, said.thread_id or 0, said)
    if name == "reset":
        thread.forgotten_until = kept.id or 0
    elif not thread.title:
        thread.title = title_of(text)
    session.flush()
    return said


def note_answer(
    session: Session, request: Request, answer: Answer, *, uid: str, now: datetime
) -> Message | None:
    """Keeps the answer beside its question, once; None when that was wiped, or needs none."""
    if answer.is_silent or request.thread_id is None:
        return None
    kept = {
        row.role: row for row in tables.threads.messages_to(session, request.thread_id, request.uid)
    }
    if "USER" not in kept:
        return None
    if "ASSISTANT" in kept:
        return tables.threads.message_of(kept["ASSISTANT"])
    said = Message(
        uid=uid,
        request_uid=request.uid,
        role="ASSISTANT",
        timestamp=now,
        content=answer.content,
        errors=answer.errors,
        extras=answer.extras,
        thread_id=request.thread_id,
    )
    tables.threads.add_message(session, request.thread_id, said)
    _own(session, request.user_id, request.thread_id).updated_at = now
    session.flush()
    return said


def list_threads(
    session: Session,
    user_id: int,
    *,
    conversation_type: ConversationType | None = None,
    thread_id: int | None = None,
) -> Sequence[Thread]:
    """The user's threads, the one that was used last first."""
    found: Sequence[ThreadRow | None]
    if thread_id is not None:
        found = [tables.threads.find_thread(session, user_id, thread_id)]
    else:
        found = tables.threads.threads_of(
            session, user_id, conversation_type=conversation_type, limit=MAX_LISTED
        )
    return [
        tables.threads.thread_of(row)
        for row in found
        if row is not None and conversation_type in {None, row.conversation_type}
    ]


def delete_thread(session: Session, user_id: int, thread_id: int) -> None:
    """Removes a thread with all that was said in it.

    What is still asked there is answered, and the answer kept nowhere.

    Raises:
        ThreadNotFoundError: no such thread, or another user's.
    """
    tables.threads.drop_thread(session, _own(session, user_id, thread_id).id or 0)
    session.expire_all()


def messages_of(
    session: Session,
    user_id: int,
    *,
    request_uids: Collection[str] | None = None,
    roles: Collection[Role] | None = None,
    thread_id: int | None = None,
    conversation_type: ConversationType | None = None,
) -> Sequence[Message]:
    """What was said, oldest first: to those requests, or in that thread, or in the newest.

    Of a thread that is not the user's there is nothing. HTML is not made.
    """
    at = thread_id
    if at is None and request_uids is None:
        newest = _newest(session, user_id, conversation_type or DEFAULT_TYPE)
        if newest is None:
            return ()
        at = newest.id
    wanted = Wanted(user_id=user_id, request_uids=request_uids, roles=roles, thread_id=at)
    rows = tables.threads.messages_among(session, wanted, limit=MAX_MESSAGES)
    return [tables.threads.message_of(row) for row in rows]


def give_feedback(session: Session, user_id: int, message_uid: str) -> None:
    """Notes that the user said what they think of an answer.

    Raises:
        NotFoundError: no such answer, or not the user's.
    """
    row = tables.threads.find_message(session, user_id, message_uid)
    if row is None or row.role != "ASSISTANT":
        raise NotFoundError(what="Message")
    row.has_feedback = True
    session.flush()


def delete_unused_threads(session: Session, *, now: datetime) -> int:
    """Removes the threads in which nothing was said for long; how many those were."""
    return tables.threads.drop_threads(session, before=now - UNUSED_FOR)


def told_before(session: Session, request: Request) -> Sequence[Turn]:
    """What was said in the request's thread before it: questions with good answers, in order."""
    if request.thread_id is None:
        return ()
    rows = tables.threads.told_before(
        session, request.thread_id, request_uid=request.uid, limit=2 * MAX_TURNS
    )
    answers = {row.request_uid: row for row in rows if row.role == "ASSISTANT" and not row.errors}
    return [
        Turn(question=row.content, answer=answers[row.request_uid].content)
        for row in rows
        if row.role == "USER" and row.request_uid in answers
    ]


def question_uid(request: Request) -> str:
    """The name of the request's question, the same whenever it is asked for."""
    return str(uuid5(NAMESPACE_URL, f"casemate:question:{request.uid}"))


def _own(session: Session, user_id: int, thread_id: int) -> ThreadRow:
    row = tables.threads.find_thread(session, user_id, thread_id)
    if row is None:
        raise ThreadNotFoundError
    return row


def _newest(session: Session, user_id: int, wanted: ConversationType) -> ThreadRow | None:
    found = tables.threads.threads_of(session, user_id, conversation_type=wanted, limit=1)
    return found[0] if found else None


def _begin(session: Session, user_id: int, wanted: ConversationType, *, now: datetime) -> ThreadRow:
    row = tables.threads.add_thread(session, user_id, conversation_type=wanted, now=now)
    tables.threads.drop_old_threads(session, user_id, kept=MAX_THREADS, before=now - STILL_USED)
    return row
