"""What a worker does with requests: it claims one, keeps it while it works, and ends it once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from appliance.ai_actions import tables
from appliance.ai_actions.rules import Answer, Ended, Message, Request, RequestState
from appliance.ai_actions.tables.requests import Held
from appliance.storage.engine import Session

# A worker that died is noticed after so long, and what it did is begun anew.
LEASE = timedelta(seconds=15)
# Whatever ends an instance may do so by the request itself.
MOST_ATTEMPTS = 5


def is_work_waiting(session: Session, *, now: datetime) -> bool:
    """Whether there is anything to claim."""
    return tables.requests.is_any_free(session, now=now)


def claim(
    session: Session, worker: str, *, most_of_a_user: int, now: datetime, uid: str | None = None
) -> Request | None:
    """The next request, fairly among users, or the one of `uid`; the worker's for `LEASE`."""
    return tables.requests.claim(
        session,
        worker,
        leased_until=now + LEASE,
        most_of_a_user=most_of_a_user,
        now=now,
        uid=uid,
    )


def renew(
    session: Session, worker: str, attempts: Mapping[str, int], *, now: datetime
) -> Sequence[Held]:
    """Those that are still the worker's, for another `LEASE`."""
    return tables.requests.renew(session, worker, attempts, leased_until=now + LEASE)


def give_back(session: Session, worker: str, attempts: Mapping[str, int]) -> None:
    """Leaves what is not done to the next worker."""
    tables.requests.give_back(session, worker, attempts)


def end(
    session: Session, request: Request, answer: Answer, *, worker: str, now: datetime
) -> Ended | None:
    """Ends a request with its answer; None: it is another worker's by now, or gone."""
    state: RequestState = "failed" if answer.code or answer.errors else "done"
    ending = Ended(request=request, answer=answer, ended_at=now)
    is_ours = tables.requests.end(session, request, worker, ending=ending, state=state)
    return ending if is_ours else None


def ended_elsewhere(
    session: Session, moment: datetime, *, user_ids: Sequence[int], worker: str
) -> Sequence[Ended]:
    """What other workers have ended since then for these users."""
    return tables.requests.ended_since(session, moment, user_ids=user_ids, besides=worker)


def answer_uid(request: Request) -> str:
    """The name of the request's answer, the same in every attempt."""
    return str(uuid5(NAMESPACE_URL, f"casemate:answer:{request.uid}"))


def final_message(ended: Ended, *, content_html: str | None) -> Message:
    """The whole answer as it is delivered."""
    request, answer = ended.request, ended.answer
    return Message(
        uid=answer_uid(request),
        request_uid=request.uid,
        role="ASSISTANT",
        timestamp=ended.ended_at,
        content=answer.content,
        content_html=content_html,
        errors=answer.errors,
        extras=answer.extras,
        thread_id=request.thread_id,
    )
