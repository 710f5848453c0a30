"""What can be wrong with a server that answers: its paths, its key, its models, its streams.

What it says when it refuses a key is never quoted: it may repeat the key.
"""

from collections.abc import Sequence

from gateway.contract.identifiers import written_identifier
from gateway.upstream.probing.failing import (
    BASE_URL,
    MAX_NAMED,
    ProbeFailedError,
    listed,
    quoted,
)

SEE_SERVER = "See the log of the model's server."


def key_refused(status: int, *, had_key: bool) -> ProbeFailedError:
    """It does not take the API key, or wants one."""
    if not had_key:
        return ProbeFailedError(
            "api_key_missing",
            f"The server asks for an API key ({status}), and none is given.",
            fix="Give the server's API key (`casemate models add --api-key-file FILE`).",
        )
    return ProbeFailedError(
        "api_key_refused",
        f"The server refuses the API key ({status}).",
        fix="Give the key that the server was started with (vLLM: --api-key), without spaces or "
        "line ends around it.",
    )


def wrong_path(url: str, status: int, found: str | None) -> ProbeFailedError:
    """There is no OpenAI API below the base URL; `found` is where there is one."""
    message = f"There is no OpenAI API at {url}: GET {url}/models is answered with {status}."
    if found is None:
        return ProbeFailedError("wrong_path", message, fix=BASE_URL)
    return ProbeFailedError(
        "wrong_path", message, fix=f"Use {found}.", proposes={"endpoint": found}
    )


def web_page(url: str, found: str | None = None) -> ProbeFailedError:
    """A page for people."""
    fix = BASE_URL if found is None else f"Use {found}."
    return ProbeFailedError(
        "answers_html",
        f"{url} answers with a web page, as a sign-in page, a console or a proxy does.",
        fix=fix,
        proposes={} if found is None else {"endpoint": found},
    )


def not_openai(url: str, found: str | None = None) -> ProbeFailedError:
    """Something else answers."""
    fix = BASE_URL if found is None else f"Use {found}."
    return ProbeFailedError(
        "not_openai",
        f"What answers at {url} is not an OpenAI server: its answer has not the form of one.",
        fix=fix,
        proposes={} if found is None else {"endpoint": found},
    )


def redirected(url: str, target: str, proposed: str | None) -> ProbeFailedError:
    """The server sends elsewhere."""
    return ProbeFailedError(
        "redirected",
        f"{url} sends on to {target}; the gateway follows no redirect.",
        fix=f"Use that address instead: {proposed or target}",
        proposes={} if proposed is None else {"endpoint": proposed},
    )


def wrong_identifier(
    identifier: str, known: Sequence[str], nearest: str | None
) -> ProbeFailedError:
    """The server does not serve that model."""
    more = f" and {len(known) - MAX_NAMED} more" if len(known) > MAX_NAMED else ""
    has = f"; it has {listed(known)}{more}" if known else "; it has none"
    if nearest is None:
        fix = "Use a name that it has, or start it with this model (vLLM: --served-model-name)."
        if not known:
            fix = "Start it with a model, or wait until it has loaded one, and check again."
        proposes = {}
    else:
        written = written_identifier(nearest)
        fix, proposes = f"Use {quoted(written)!r}.", {"identifier": written}
    message = f"The server has no model {quoted(identifier)!r}{has}."
    return ProbeFailedError("wrong_identifier", message, fix=fix, proposes=proposes)


def away(status: int) -> ProbeFailedError:
    """The server says that it is not there."""
    return ProbeFailedError(
        "unavailable",
        f"The server says that it is not available ({status}).",
        fix="Wait until it has loaded its model, and check again; else s" + SEE_SERVER[1:],
    )


def busy() -> ProbeFailedError:
    """The server has too much to do."""
    return ProbeFailedError(
        "busy",
        "The server says that it has too much to do (429).",
        fix="Check again when it has less to do.",
    )


def failed(status: int, said: str) -> ProbeFailedError:
    """The server does not do it."""
    words = f": {said}" if said else ""
    return ProbeFailedError(
        "question_refused",
        f"The server does not answer a question of one line ({status}){words}.",
        fix=SEE_SERVER,
    )


def broke_off(url: str, reason: str) -> ProbeFailedError:
    """No whole answer in HTTP came."""
    return ProbeFailedError(
        "broke_off",
        f"{url} gave no whole answer in HTTP: {reason}.",
        fix="See whether an OpenAI server listens at that port. " + SEE_SERVER,
    )


def too_long(url: str, limit_bytes: int) -> ProbeFailedError:
    """The answer has no end."""
    return ProbeFailedError(
        "answer_too_long",
        f"The answer of {url} is over {limit_bytes // 1024} KiB: too long for this question.",
        fix=BASE_URL,
    )


def slow(limit_s: float) -> ProbeFailedError:
    """There is no token in time."""
    return ProbeFailedError(
        "model_slow",
        f"The model said nothing within {limit_s:g} s.",
        fix="A model that is still being loaded, or has a queue, may take longer: check again when "
        "it is done. " + SEE_SERVER,
    )


_BUFFERED = (
    "If a proxy stands before it, switch its buffering off (nginx: proxy_buffering off) or go "
    "round it; else use a server that streams."
)


def no_stream(said: str) -> ProbeFailedError:
    """What is asked for as a stream comes whole, or not at all."""
    return ProbeFailedError(
        "no_streaming",
        f"The server does not stream: asked with `stream: true`, {said}.",
        fix=_BUFFERED,
    )


def buffered(wait_s: float) -> ProbeFailedError:
    """The parts of the stream come at once."""
    return ProbeFailedError(
        "stream_buffered",
        f"The server does not stream: all parts of an answer came at once, after {wait_s:.1f} s.",
        fix=_BUFFERED,
    )


def unfinished() -> ProbeFailedError:
    """The stream has no end."""
    return ProbeFailedError(
        "stream_unfinished",
        "The server's stream ends without `data: [DONE]`, so that nobody can tell a whole answer "
        "from half of one.",
        fix="See whether a proxy before it cuts streams short (its time limits). " + SEE_SERVER,
    )
