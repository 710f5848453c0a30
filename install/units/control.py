"""Brings a home's units up, stops, looks at and removes them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from install import stopping
from install.config import Config, write_private
from install.places import Places
from install.processes import services_of
from install.running import Running, Started, remember, started
from install.services import MODEL_SERVER, NAMES, Service, base_environment
from install.units import owner, texts
from install.units.hardening import Site
from install.units.systemctl import Systemd, Unit

FOLDER = Path("/etc/systemd/system")
LOGROTATE = Path("/etc/logrotate.d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The units of one home; the folders are elsewhere in tests."""

    places: Places
    folder: Path = FOLDER
    logrotate: Path = LOGROTATE
    systemd: Systemd = field(default_factory=Systemd)

    @property
    def names(self) -> texts.Names:
        """What they are called."""
        return texts.names_of(self.places)

    def written(self) -> tuple[str, ...]:
        """The files that are there."""
        prefix = self.names.prefix
        known = {self.names.target, *(self.names.service(each) for each in texts.SERVICES)}
        found = (path.name for path in self.folder.glob(f"{prefix}*"))
        return tuple(sorted(known.intersection(found)))

    def look(self) -> dict[str, Unit]:
        """The services' units by the services' names; empty where there are none.

        Raises:
            SystemdError: systemd does not answer.
        """
        files = self.written()
        wanted = {self.names.service(name): name for name in texts.SERVICES}
        there = [each for each in files if each in wanted and wanted[each] != texts.RECOVER]
        if not there:
            return {}
        return {wanted[name]: unit for name, unit in self.systemd.look(there).items()}

    def running(self) -> dict[str, Running] | None:
        """What runs, by service, in a supervisor's words; None when nothing does.

        Raises:
            SystemdError: systemd does not answer.
        """
        found = self.look()
        if not any(unit.is_up for unit in found.values()):
            return None
        stopped = Running(state="stopped", pid=0, since=0)
        return {
            name: as_running(found[name]) if name in found else stopped
            for name in dict.fromkeys((*NAMES, *found))
        }

    def bring_up(
        self,
        site: Site,
        services: Sequence[Service],
        fingerprints: Mapping[str, str],
    ) -> Started:
        """Writes what is other than before, starts what does not run, and anew what changed.

        Raises:
            SystemdError: systemd refused.
        """
        ended = stopping.stop_everything(self.places) if self._is_supervised() else 0
        changed_files = self._write(site, services)
        found = self.look()
        was_running = any(unit.is_up for unit in found.values())
        before = started(self.places).get("fingerprints", {})
        changed = [
            service.name
            for service in services
            if service.is_wanted
            and (
                before.get(service.name) != fingerprints[service.name]
                or self.names.service(service.name) in changed_files
                or not (service.name in found and found[service.name].active == "active")
            )
        ]
        if MODEL_SERVER in changed:
            (self.places.model_state / "state.json").unlink(missing_ok=True)
        self._start(changed)
        remember(self.places, fingerprints)
        names = tuple(name for name in changed if name in NAMES)
        return Started(restarted=names, was_running=was_running or ended > 0, strays=0)

    def _is_supervised(self) -> bool:
        """Whether processes run that systemd does not keep."""
        if stopping.find_supervisor(self.places) is not None:
            return True
        return not self.look() and bool(services_of(self.places.home))

    def _start(self, changed: Sequence[str]) -> None:
        recover = self.names.service(texts.RECOVER)
        at_boot = [self.names.target, *([recover] if recover in self.written() else [])]
        self.systemd.do("enable", "--quiet", *at_boot)
        if changed:
            units = [self.names.service(name) for name in changed]
            self.systemd.do("reset-failed", *units)
            self.systemd.do("restart", *units)
        self.systemd.do("start", self.names.target)

    def _write(self, site: Site, services: Sequence[Service]) -> set[str]:
        """Writes all files; returns the units that are other than before."""
        taken_over = base_environment(os.environ)
        for service in services:
            text = texts.environment_text(service, taken_over)
            write_private(texts.environment_file(self.places, service.name), text)
        wanted = texts.texts(site, services, version=self.systemd.version())
        gone = [name for name in self.written() if name not in wanted]
        if gone:
            self.systemd.do("disable", "--quiet", "--now", *gone)
        changed = {name for name, text in wanted.items() if _read(self.folder / name) != text}
        for name in changed:
            _replace(self.folder / name, wanted[name])
        for name in gone:
            (self.folder / name).unlink()
        if self.logrotate.is_dir():
            _replace(self.logrotate / self.names.prefix, texts.logrotate_text(self.places))
        if changed or gone:
            self.systemd.do("daemon-reload")
        return changed

    def stop(self, *, stays_down: bool) -> int:
        """Ends all services; returns how many ran. With `stays_down` a boot starts none either.

        Raises:
            SystemdError: systemd refused.
        """
        files = self.written()
        if not files:
            return 0
        stopping.started_file(self.places).unlink(missing_ok=True)
        count = sum(unit.is_up for unit in self.look().values())
        recover = self.names.service(texts.RECOVER)
        # Whoever stops the services may be what the mending unit runs.
        self.systemd.do("stop", *(each for each in files if each != recover))
        if stays_down:
            self.systemd.do("disable", "--quiet", *files)
        return count

    def remove(self) -> None:
        """Ends the services and takes every trace of the units off the machine.

        The user goes with the last home's units.

        Raises:
            SystemdError: systemd refused.
        """
        files = self.written()
        if not files:
            return
        self.stop(stays_down=True)
        for name in files:
            (self.folder / name).unlink()
        (self.logrotate / self.names.prefix).unlink(missing_ok=True)
        for name in texts.SERVICES:
            texts.environment_file(self.places, name).unlink(missing_ok=True)
        self.systemd.do("daemon-reload")
        owner.hand_back(self.places)
        if not any(self.folder.glob("casemate*.service")):
            owner.forget()


def as_running(unit: Unit) -> Running:
    """A unit's state in a supervisor's words."""
    words = {
        "active": "running",
        "activating": "backoff" if unit.sub == "auto-restart" else "starting",
        "deactivating": "stopping",
        "failed": "fatal",
    }
    return Running(state=words.get(unit.active, "stopped"), pid=unit.pid, since=unit.since)


def remove(places: Places) -> None:
    """Takes every trace of a home's units off the machine; nothing where there are none.

    Raises:
        SystemdError: systemd refused.
    """
    Units(places=places).remove()


def prepare(places: Places) -> None:
    """Makes the user whose services these are, and gives it what they write to.

    Raises:
        SystemdError: it cannot be made.
    """
    owner.take_over(places, owner.ensure())


def bring_up(
    places: Places,
    config: Config,
    services: Sequence[Service],
    *,
    fingerprints: Mapping[str, str],
    device: str,
) -> Started:
    """Has systemd run the services, as the user whose folders they work on.

    Raises:
        SystemdError: systemd refused.
    """
    prepare(places)
    named = tuple(Path(text) for name, text in config.handed_on.items() if name.endswith("_FILE"))
    site = Site(places=places, config=config, device=device, named=named)
    return Units(places=places).bring_up(site, services, fingerprints)


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, "utf-8")
    draft.chmod(0o644)
    draft.replace(path)
