"""Chat threads: what a user and the model said to each other, kept for the user alone."""

from collections.abc import Collection, Sequence
from datetime import datetime

from appliance.ai_actions.rules import Answer, Message, Request, Role, Wish
from appliance.ai_actions.rules.chat import Thread
from appliance.ai_actions.rules.values import ConversationType
from appliance.storage.engine import Session


def open_thread(session: Session, wish: Wish, *, now: datetime) -> int:
    """The thread in which a question is asked: the one it names, else the newest or a new one.

    Raises:
        ThreadNotFoundError: the wish names a thread that is not the user's.
    """
    raise NotImplementedError


def note_question(session: Session, request: Request, *, now: datetime) -> Message:
    """Keeps what the user said; `/clear` and `/new` are not kept, and nothing before them is."""
    raise NotImplementedError


def note_answer(
    session: Session, request: Request, answer: Answer, uid: str, *, now: datetime
) -> Message | None:
    """Keeps the answer beside its question, once; None when that was wiped, or needs none."""
    raise NotImplementedError


def list_threads(
    session: Session,
    user_id: int,
    *,
    conversation_type: ConversationType | None = None,
    thread_id: int | None = None,
) -> Sequence[Thread]:
    """The user's threads, the one that was used last first."""
    raise NotImplementedError


def delete_thread(session: Session, user_id: int, thread_id: int) -> None:
    """Removes a thread with all that was said in it.

    Raises:
        ThreadNotFoundError: no such thread, or another user's.
    """
    raise NotImplementedError


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

    Of a thread that is not the user's there is nothing.
    """
    raise NotImplementedError


def give_feedback(session: Session, user_id: int, message_uid: str) -> None:
    """Notes that the user said what they think of an answer.

    Raises:
        NotFoundError: no such message, or not the user's.
    """
    raise NotImplementedError


def delete_unused_threads(session: Session, *, now: datetime) -> int:
    """Removes the threads in which nothing was said for long; how many those were."""
    raise NotImplementedError
