"""What is wrong when a server answers with another status than 200."""

from gateway.upstream.probing import server_faults as faults
from gateway.upstream.probing.asking import Answer
from gateway.upstream.probing.failing import ProbeFailedError, quoted
from gateway.upstream.probing.understanding import redirect_target, words_of

KEY_STATUSES = frozenset({401, 403})
_AWAY = frozenset({502, 503, 504})
_BUSY = 429
_SERVER_ERRORS = range(500, 600)


def fault_of_status(answer: Answer, *, api_key: str | None) -> ProbeFailedError | None:
    """The fault that the status alone tells; None: the path or the question decides."""
    status = answer.status
    if status in KEY_STATUSES:
        return faults.key_refused(status, had_key=api_key is not None)
    if answer.is_redirect:
        return faults.redirected(answer.url, *redirect_target(answer))
    if status == _BUSY:
        return faults.busy()
    if status in _AWAY:
        return faults.away(status)
    return refused(answer, api_key=api_key) if status in _SERVER_ERRORS else None


def refused(answer: Answer, *, api_key: str | None) -> ProbeFailedError:
    """The server does not do it, in its own words."""
    return faults.failed(answer.status, quoted(words_of(answer), api_key=api_key))
