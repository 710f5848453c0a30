"""`up`: from an installed program to a first answer, changing only what is not yet so."""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from install import (
    bootstrap,
    config,
    contents,
    demo_licence,
    environments,
    keepers,
    locking,
    model_environment,
    preflight,
    readiness,
    services,
    status,
    weights,
)
from install.backup import restoring
from install.config import HANDED_ON, Config, public_host
from install.contents import Contents
from install.first_question import ask_first
from install.options import UpOptions
from install.outcome import PLAIN_HTTP, Course, Outcome, outcome
from install.places import Places, make_folders
from install.progress import STEPS, Display
from install.running import Started
from install.services import GATEWAY, INSTANCE, MODEL_SERVER, RENEWAL, SOURCES
from install.slots import slot
from install.slots.slot import SlotDamagedError
from install.tls import checking, keeping
from install.units import owner

TELL = "CASEMATE_INSTANCE_PUBLIC_URL and CASEMATE_GATEWAY_PUBLIC_URL name other addresses."


def run(places: Places, options: UpOptions, display: Display) -> Outcome:
    """Does whatever is still to do.

    Raises:
        InstallError: services that already run are left running.
    """
    began = options.handover.began if options.handover else time.time()
    mended = restoring.mend_before_up(places, has_lock=options.handover is not None)
    if mended:
        display.note(mended)
    remembered = config.load(places.config)
    settings = checking.settle(config.resolve(options.flags, os.environ, remembered))
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
            if not settings.tls:
                display.note(PLAIN_HTTP)
            host = settings.tls_told.get(INSTANCE) or public_host(settings)
            display.note(f"Others are told the host {host}; {TELL}")
        for line in plain_addresses(settings):
            display.note(line)
        work.make_ready()
        done = work.fill()
        started = work.start(foreground=options.foreground)
        asked = ask_first(places, settings, work.model.ref, display=display)
    course = Course(
        model=work.model,
        model_url=settings.model_url,
        filled=done,
        restarted=started.restarted,
        asked=asked,
        seconds=time.time() - began,
    )
    return outcome(places, settings, course)


def plain_addresses(settings: Config) -> list[str]:
    """A line for each address that others are told without TLS although there is TLS."""
    names = [name for name in HANDED_ON if name.endswith("_PUBLIC_URL")]
    return [
        f"{name} still says http:, which nothing here answers any more; set it to https: …"
        for name in names
        if settings.tls and settings.handed_on.get(name, "").startswith("http:")
    ]


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
        carried = slot.current(places)
        self._device = carried.device if carried else preflight.find_device(settings.device)
        self._planned = services.plan(places, settings)
        self._renewal = services.renewal(places, settings)

    def make_ready(self) -> None:
        """The model server's environment, and the weights."""
        environment = model_environment.model_environment(self._places, device=self._device)
        if not environment.follows_lock() and slot.current(self._places) is not None:
            raise SlotDamagedError(self._places.slot)
        with self._display.step(STEPS[2]) as step:
            if not environment.follows_lock() and keepers.stop(self._places, stays_down=False):
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
            keepers.prepare(self._places, self._settings)
            certified = keeping.put(self._places, self._settings, now=datetime.now(UTC))
            contents.write_model_files(self._places, self.model)
            by_name = {service.name: service for service in self._planned}
            site = contents.site_of(self._places, by_name)
            done = contents.set_up(
                contents.runner(by_name, owner.acting(self._settings)),
                site,
                self.model,
                to_order=demo_licence.ordering(self._places, self._settings),
            )
            step.result = said_of(done, certified)
        for warning in done.warnings:
            self._display.note(warning)
        return done

    def start(self, *, foreground: bool) -> Started:
        """The services, and waiting until they can be used."""
        with self._display.step(STEPS[5]) as step:
            started = keepers.bring_up(
                self._places,
                self._settings,
                (*self._planned, self._renewal),
                fingerprints=self._fingerprints(),
                device=self._device,
                foreground=foreground,
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
        locks = {INSTANCE: lock, GATEWAY: lock, MODEL_SERVER: model.wanted(), RENEWAL: lock}
        # Certificates are taken anew by what runs, but not whom it believes.
        trust = (self._places.authorities,) if self._settings.tls or self._settings.ca else ()
        files: dict[str, tuple[Path, ...]] = {
            INSTANCE: trust,
            GATEWAY: (self._places.home / "gateway" / "instance.json", *trust),
            MODEL_SERVER: (
                self._places.model_state / "models.json",
                contents.api_key_file(self._places),
                self.model.path / "config.json",
            ),
            RENEWAL: (),
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
            for service in (*self._planned, self._renewal)
        }


def said_of(done: Contents, certified: Sequence[str] = ()) -> str:
    """What was created and changed, for people; `certified` has new certificates' names."""
    parts = [f"certificates: {', '.join(certified)}"] if certified else []
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
