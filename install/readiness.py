"""Waits until what was started can be used, and says which part cannot."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from install.errors import NotReadyError
from install.places import Places
from install.services import MODEL_SERVER
from install.status import Status

POLL_S = 0.25
SERVICE_PATIENCE_S = 90.0
# A large model is read from a slow disk and compiled for its GPU.
MODEL_PATIENCE_S = 1800.0
MODEL_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time as the waiting sees it; in seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def wait(
    places: Places,
    look: Callable[[], Status],
    say: Callable[[str], None],
    *,
    clock: Clock | None = None,
) -> None:
    """Returns when everything is ready; `say` gets a short line on how it stands.

    Raises:
        NotReadyError: one part is not ready in time, or the model failed for good.
    """
    clock = clock or Clock()
    began = clock.now()
    while True:
        status = look()
        if status.state == "ready":
            return
        say(summary(status))
        check(places, status, waited_s=clock.now() - began)
        clock.sleep(POLL_S)


def summary(status: Status) -> str:
    """One line on how it stands."""
    models = [f"{each.ref} {each.state}" for each in status.models]
    others = [f"{each.name} {each.state}" for each in status.services if each.name != MODEL_SERVER]
    return " · ".join([*(models or ["model server starting"]), *others])


def check(places: Places, status: Status, *, waited_s: float) -> None:
    """Passes while there is reason to wait on.

    Raises:
        NotReadyError: there is none.
    """
    for service in status.services:
        late = service.name != MODEL_SERVER and waited_s > SERVICE_PATIENCE_S
        if late and service.state != "ready":
            sentence = (
                f"The {service.name} is {service.state}; see {places.logs / service.name}.log."
            )
            raise NotReadyError(sentence)
    log = places.logs / f"{MODEL_SERVER}.log"
    for model in status.models:
        tried = model.restarts >= MODEL_ATTEMPTS and model.state != "ready"
        if model.state == "failed" or tried:
            reason = model.reason or "The model server does not say why."
            sentence = f"The model {model.ref} does not start: {reason} See {log}."
            raise NotReadyError(sentence)
    if not status.models and waited_s > SERVICE_PATIENCE_S:
        sentence = f"The model server does not start; see {log}."
        raise NotReadyError(sentence)
    if waited_s > MODEL_PATIENCE_S:
        sentence = f"The model is not ready after {MODEL_PATIENCE_S / 60:.0f} minutes; see {log}."
        raise NotReadyError(sentence)
