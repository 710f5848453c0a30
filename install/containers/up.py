"""`up --compose`: from a checked engine to a first answer, changing only what is not yet so."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from install import bootstrap, config, demo_licence, locking, preflight, up, weights
from install.backup import restoring
from install.config import Config, public_host
from install.containers import brought, filling, gpus, machine, operating, project, served
from install.containers import engine as engines
from install.containers.client import connect
from install.containers.filling import Filler
from install.containers.images import Images
from install.containers.making import Maker
from install.containers.project import LOCKDOWN, NAMES, POSTGRES, Project
from install.containers.states import Containers, Waiting
from install.containers.undoing import Undoing
from install.containers.wheels import Shelf
from install.contents import Contents
from install.errors import InstallError, InterruptError, SetUpCommandError
from install.first_question import ask_first
from install.options import UpOptions
from install.outcome import PLAIN_HTTP, Course, Outcome, outcome
from install.places import Places, make_folders
from install.progress import CONTAINER_STEPS, Display, Step
from install.readiness import MODEL_PATIENCE_S, SERVICE_PATIENCE_S
from install.services import GATEWAY, INSTANCE, MODEL_SERVER

PATIENCE_S = dict.fromkeys((*NAMES, POSTGRES), SERVICE_PATIENCE_S) | {
    MODEL_SERVER: MODEL_PATIENCE_S
}
TAKEN_DOWN = "interrupted; what it had started is taken down again, what ran before still runs."
RUNNING_ON = "interrupted; the containers keep running (`casemate status`)."


def run(places: Places, options: UpOptions, display: Display) -> Outcome:
    """Does whatever is still to do.

    Raises:
        InstallError: what this run started is taken down again; what ran before still runs.
    """
    began = options.handover.began if options.handover else time.time()
    mended = restoring.mend_before_up(places, has_lock=options.handover is not None)
    if mended:
        display.note(mended)
    remembered = config.load(places.config)
    settings = config.resolve(options.flags, os.environ, remembered)
    if options.handover is None:
        preflight.check_kind(places, settings)
        with display.step(CONTAINER_STEPS[0]) as step:
            step.result = machine.check(places, settings, os.environ)
        make_folders(places)
    with locking.held(places, options.handover.lock if options.handover else None):
        work = Work(places, settings, display)
        config.save(places.config, settings)
        for line in work.notes(remembered):
            display.note(line)
        done = work.bring_up()
        try:
            asked = ask_first(places, settings, work.model.ref, display=display)
        except InterruptError:
            raise InterruptError(RUNNING_ON) from None
    course = Course(
        model=work.model,
        model_url=filling.MODEL_URL,
        filled=done,
        restarted=work.restarted(),
        asked=asked,
        seconds=time.time() - began,
    )
    return outcome(places, settings, course)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets no signal break off the block: what is being taken down is taken down whole."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Work:
    """The steps of one `up --compose` after the program's environment is there."""

    def __init__(self, places: Places, settings: Config, display: Display) -> None:
        self.model = weights.chosen_model(places, settings)
        self._brought = brought.find(places)
        if self._brought or not self.model.is_demonstration:
            served.check_folder(self.model.path)
        self._places = places
        self._settings = settings
        self._display = display
        self._engine = engines.find(os.environ)
        if self._brought:
            self._device = brought.device(self._brought, settings, self._engine)
        else:
            self._device = gpus.choose(settings, self._engine)
        self._client = connect(self._engine.address)
        self._images = Images(
            self._client,
            root_folder=operating.root_folder(self._engine),
            home=machine.project_name(places),
        )
        self._containers = Containers(self._client, machine.project_name(places))
        self._before = self._containers.services()
        filling.make_folders(places)

    def notes(self, remembered: Config | None) -> list[str]:
        """What a person should know before anything is done."""
        settings = self._settings
        found = up.taken_over(remembered, settings)
        if self._device.note:
            found.append(self._device.note)
        if settings.is_public:
            found.append(PLAIN_HTTP)
            found.append(f"Others are told the host {public_host(settings)}; {up.TELL}")
        return found

    def bring_up(self) -> Contents:
        """Everything up to healthy containers; when it fails, nothing of it is left half up."""
        here: Project | None = None
        try:
            tags = self._make_images()
            variables = self._make_model(tags)
            project.write_overrides(self._places, self._settings, tags=tags, device=self._device)
            here = project.find(self._places, self._settings, self._engine, model=variables)
            done = self._fill(here, tags)
            self._start(here)
        except BaseException as cause:
            with undisturbed():
                try:
                    self._undo(here)
                except InstallError as second:
                    self._display.note(f"Not all could be taken down again. {second.sentence}")
            if isinstance(cause, InterruptError):
                raise InterruptError(TAKEN_DOWN) from None
            raise
        if not self._brought:
            self._images.forget_all_but(tags.values())
        return done

    def restarted(self) -> tuple[str, ...]:
        """The services that were not running as they are now."""
        now = self._containers.services()
        before = {name: (each.identity, each.since) for name, each in self._before.items()}
        return tuple(
            name
            for name in NAMES
            if name in now and (now[name].identity, now[name].since) != before.get(name)
        )

    def _make_images(self) -> dict[str, str]:
        if self._brought:
            tags = brought.take(self._brought, self._settings, self._engine, display=self._display)
            return dict(tags)
        shelf = Shelf(
            cache=self._places.containers / "wheels",
            builder=bootstrap.services_environment(self._places),
            torch_index=self._settings.torch_index,
        )
        maker = Maker(
            settings=self._settings,
            device=self._device,
            images=self._images,
            shelf=shelf,
            folder=self._places.containers,
        )
        return maker.make(self._display)

    def _make_model(self, tags: dict[str, str]) -> dict[str, str]:
        converter = served.Converter(
            client=self._client,
            image=tags[MODEL_SERVER],
            builder=bootstrap.services_environment(self._places),
            is_rootless=self._engine.is_rootless,
        )
        with self._display.step(CONTAINER_STEPS[4]) as step:
            step.result = converter.make_ready(self.model, step)
            if self.model.is_demonstration:
                served.check_folder(self.model.path)
        return served.write(self._places, self.model)

    def _fill(self, here: Project, tags: dict[str, str]) -> Contents:
        """Secrets, keys, the first rows; the lock and the model server run before them.

        The lock, because a set-up command is on the edge network too; the model server, because
        the instance looks its name up before it takes it.
        """
        filler = Filler(self._places, here, self._containers)
        with self._display.step(CONTAINER_STEPS[5]) as step:
            made = filling.make_secrets(self._places)
            first = [LOCKDOWN, MODEL_SERVER, *([POSTGRES] if POSTGRES in here.profiles else [])]
            here.do("up", "--detach", "--no-build", "--pull", "never", *first)
            early = {name: PATIENCE_S[name] for name in first if name != MODEL_SERVER}
            self._waiting(step, early).until_healthy()
            done = self._first_contents(filler, tags, step)
            if filler.pin_is_new(done) and GATEWAY in self._before:
                here.do("restart", GATEWAY)
            step.result = up.said_of(replace(done, created=(*made, *done.created)))
        for warning in done.warnings:
            self._display.note(warning)
        return done

    def _first_contents(self, filler: Filler, tags: dict[str, str], step: Step) -> Contents:
        waiting = self._waiting(step, {MODEL_SERVER: 0.0})
        try:
            to_order = demo_licence.ordering(self._places, self._settings)
            return filler.fill(self.model, images=tags, to_order=to_order)
        except SetUpCommandError:
            # The instance cannot find a model server that ends again and again.
            waiting.check_up()
            raise

    def _start(self, here: Project) -> None:
        """The services, and waiting until they are healthy."""
        wanted = PATIENCE_S if POSTGRES in here.profiles else {n: PATIENCE_S[n] for n in NAMES}
        with self._display.step(CONTAINER_STEPS[6]) as step:
            waiting = self._waiting(step, wanted)
            # It waits itself for what others depend on, so it is watched meanwhile.
            here.do("up", "--detach", "--no-build", "--pull", "never", watch=waiting.look_at_new)
            anew = self.restarted()
            step.result = f"started anew: {', '.join(anew)}" if anew else "all run as they did"
        with self._display.step(CONTAINER_STEPS[7]) as step:
            self._waiting(step, wanted).until_healthy()
            instance = self._containers.services()[INSTANCE]
            Filler(self._places, here, self._containers).copy_credentials(instance)
            step.result = ", ".join(wanted)

    def _waiting(self, step: Step, wanted: dict[str, float]) -> Waiting:
        def say(line: str) -> None:
            step.detail = line

        before = {each.identity: each.restarts for each in self._before.values()}
        return Waiting(containers=self._containers, wanted=wanted, before=before, say=say)

    def _undo(self, here: Project | None) -> None:
        """Takes down what this run started; what ran before goes on."""
        self._images.sweep()
        if here is not None:
            ran = {name for name, each in self._before.items() if each.is_up}
            Undoing(project=here, containers=self._containers, ran=ran).undo()
