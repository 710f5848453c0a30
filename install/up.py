"""`up`: from an installed program to a first answer, changing only what is not yet so."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from install import (
    bootstrap,
    config,
    contents,
    environments,
    locking,
    model_environment,
    preflight,
    readiness,
    services,
    status,
    stopping,
    supervision,
    weights,
)
from install.api import instance
from install.config import Config
from install.contents import Contents
from install.options import UpOptions
from install.places import Places, make_folders
from install.progress import STEPS, Display
from install.question import Answer, Question, ask, ask_when_ready
from install.release import release
from install.services import GATEWAY, INSTANCE, MODEL_SERVER, SOURCES
from install.supervision import Started

FIRST_QUESTION = "In one sentence: what is a computer network?"
FIRST_ANSWER_TOKENS = 64
# The gateway hears of a new model within a second, and looks at its endpoint every few.
FEED_PATIENCE_S = 60.0
PLAIN_HTTP = (
    "Instance and gateway listen beyond this machine, and there is no TLS yet: tokens and "
    "questions cross the network in the clear."
)

TELL = "CASEMATE_INSTANCE_PUBLIC_URL and CASEMATE_GATEWAY_PUBLIC_URL name other addresses."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What `up` came to, in the words of its JSON object."""

    home: str
    instance_url: str
    gateway_url: str
    model_url: str
    username: str
    password_file: str
    token_file: str
    model: str
    is_demonstration: bool
    answer: str
    tokens_per_second: float
    seconds: float
    version: str
    restarted: tuple[str, ...]
    changed: tuple[str, ...]
    warnings: tuple[str, ...]
    containers: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def run(places: Places, options: UpOptions, display: Display) -> Outcome:
    """Does whatever is still to do.

    Raises:
        InstallError: services that already run are left running.
    """
    began = options.handover.began if options.handover else time.time()
    remembered = config.load(places.config)
    settings = config.resolve(options.flags, os.environ, remembered)
    if options.handover is None:
        with display.step(STEPS[0]) as step:
            step.result = bootstrap.check_machine(places, settings)
        make_folders(places)
    with locking.held(places, options.handover.lock if options.handover else None):
        work = Work(places, settings, display)
        config.save(places.config, settings)
        for line in taken_over(remembered, settings):
            display.note(line)
        if settings.is_public:
            display.note(PLAIN_HTTP)
            display.note(f"Others are told the host {services.public_host(settings)}; {TELL}")
        work.make_ready()
        done = work.fill()
        started = work.start(foreground=options.foreground)
        answer = ask_first(places, settings, work.model.ref, display=display)
    return Outcome(
        home=str(places.home),
        instance_url=settings.instance_url,
        gateway_url=settings.gateway_url,
        model_url=settings.model_url,
        username=contents.ADMIN["username"],
        password_file=str(contents.password_file(places)),
        token_file=str(contents.token_file(places)),
        model=work.model.ref,
        is_demonstration=work.model.is_demonstration,
        answer=answer.text,
        tokens_per_second=round(answer.tokens_per_second, 1),
        seconds=round(time.time() - began, 1),
        version=release(),
        restarted=started.restarted,
        changed=done.changed,
        warnings=(*done.warnings, *((PLAIN_HTTP,) if settings.is_public else ())),
    )


def ask_first(places: Places, settings: Config, ref: str, *, display: Display) -> Answer:
    """A real question through the whole path."""
    with (
        display.step(STEPS[-1]) as step,
        instance(settings.instance_url, contents.token_file(places)) as asked,
    ):
        token = asked.mint()
        question = Question(text=FIRST_QUESTION, model=ref, max_tokens=FIRST_ANSWER_TOKENS)
        answer = ask_when_ready(
            lambda: ask(settings.gateway_url, token, question), patience_s=FEED_PATIENCE_S
        )
        rate = f"{answer.tokens_per_second:.0f} tokens/s"
        step.result = f"{answer.completion_tokens} tokens, {rate}"
    return answer


def taken_over(before: Config | None, now: Config) -> list[str]:
    """A line for each setting that is another than last time."""
    if before is None:
        return []
    return [
        f"{name.replace('_', ' ')}: {getattr(before, name)} becomes {getattr(now, name)}."
        for name in config.FIELDS
        if getattr(before, name) != getattr(now, name)
    ]


class Work:
    """The steps of one `up` after the services' environment is there."""

    def __init__(self, places: Places, settings: Config, display: Display) -> None:
        self.model = weights.chosen_model(places, settings)
        self._places = places
        self._settings = settings
        self._display = display
        self._device = preflight.find_device(settings.device)
        self._planned = services.plan(places, settings)

    def make_ready(self) -> None:
        """The model server's environment, and the weights."""
        environment = model_environment.model_environment(self._places, device=self._device)
        with self._display.step(STEPS[2]) as step:
            if not environment.follows_lock() and stopping.stop_everything(self._places):
                self._display.note("The services stop while an environment is exchanged.")
            step.result = model_environment.make(
                self._places,
                bootstrap.services_environment(self._places),
                step,
                device=self._device,
                torch_index=self._settings.torch_index,
            )
        with self._display.step(STEPS[3]) as step:
            step.result = weights.make_ready(self.model, environment, step)

    def fill(self) -> Contents:
        """Secrets, keys, registration, the first rows."""
        with self._display.step(STEPS[4]) as step:
            contents.write_model_files(self._places, self.model)
            by_name = {service.name: service for service in self._planned}
            site = contents.site_of(self._places, by_name)
            done = contents.set_up(contents.runner(by_name), site, self.model)
            step.result = said_of(done)
        for warning in done.warnings:
            self._display.note(warning)
        return done

    def start(self, *, foreground: bool) -> Started:
        """The services, and waiting until they can be used."""
        with self._display.step(STEPS[5]) as step:
            started = supervision.bring_up(
                self._places, self._planned, self._fingerprints(), foreground=foreground
            )
            step.result = _started(started)
        with self._display.step(STEPS[6]) as step:

            def say(line: str) -> None:
                step.detail = line

            readiness.wait(self._places, lambda: status.look(self._places, self._settings), say)
            step.result = "instance, gateway and model"
        return started

    def _fingerprints(self) -> dict[str, str]:
        """What each service is made from, so that the next `up` knows which to start anew."""
        digests = environments.built_digests(self._places.wheels)
        lock = bootstrap.services_environment(self._places).wanted()
        model = model_environment.model_environment(self._places, device=self._device)
        locks = {INSTANCE: lock, GATEWAY: lock, MODEL_SERVER: model.wanted()}
        files: dict[str, tuple[Path, ...]] = {
            INSTANCE: (),
            GATEWAY: (self._places.home / "gateway" / "instance.json",),
            MODEL_SERVER: (
                self._places.model_state / "models.json",
                contents.api_key_file(self._places),
                self.model.path / "config.json",
            ),
        }
        return {
            service.name: services.fingerprint(
                service,
                {
                    "lock": locks[service.name],
                    **{each: digests.get(each, "") for each in SOURCES[service.name]},
                    **{str(path): environments.digest(path) for path in files[service.name]},
                },
            )
            for service in self._planned
        }


def said_of(done: Contents) -> str:
    """What was created and changed, for people."""
    parts = []
    if done.created:
        parts.append(f"{len(done.created)} created")
    if done.changed:
        parts.append(f"changed: {', '.join(done.changed)}")
    return "; ".join(parts) or "as they were"


def _started(started: Started) -> str:
    strays = f"; ended {started.strays} left by a killed supervisor" if started.strays else ""
    if not started.restarted:
        return f"all run as they did{strays}"
    names = ", ".join(started.restarted)
    return f"started anew: {names}{strays}" if started.was_running else f"{names}{strays}"
