"""The units' own texts, and the files with the services' environment."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from install.places import Places
from install.services import MODEL_SERVER, NAMES, RENEWAL, Service
from install.units.hardening import Site, lines, quoted

SERVICES = (*NAMES, RENEWAL, "recover")
DEFAULT_HOME = Path("/var/lib/casemate")
RECOVER = "recover"
STOP_WAIT_S = 8
RESTART_S = 2
# The first release that can let the pause before a restart grow.
GROWING_PAUSE = 254
OPEN_FILES = 65536
HEAD = "# Written by `casemate up`, which overwrites it; use drop-ins for what is yours.\n"
# The services' own people's settings; HOME and the like are the user's whom systemd starts.
NOT_TAKEN_OVER = ("HOME", "USER", "LOGNAME", "TMPDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the units of one home are called."""

    prefix: str

    @property
    def target(self) -> str:
        """What starts all services."""
        return f"{self.prefix}.target"

    def service(self, name: str) -> str:
        """The unit of a service."""
        return f"{self.prefix}-{name}.service"


def names_of(places: Places) -> Names:
    """The default home has plain names, another one's carry its digest."""
    if places.home == DEFAULT_HOME:
        return Names(prefix="casemate")
    return Names(prefix=f"casemate-{hashlib.sha256(bytes(places.home)).hexdigest()[:8]}")


def environment_file(places: Places, name: str) -> Path:
    """What systemd gives to a service; mode 0600."""
    return places.run / f"{name}.env"


def environment_text(service: Service, taken_over: Mapping[str, str]) -> str:
    """The file's content; only what may be said in one line can be said."""
    found = {name: text for name, text in taken_over.items() if name not in NOT_TAKEN_OVER}
    found |= service.environment
    if service.name == MODEL_SERVER:
        # Libraries keep caches below it; the user has no home.
        found["HOME"] = f"{found['CASEMATE_HOME']}/model_server"
    return "".join(f"{name}={_value(text)}\n" for name, text in sorted(found.items()))


def _value(text: str) -> str:
    for each in ("\\", '"', "$", "`"):
        text = text.replace(each, f"\\{each}")
    return f'"{text}"'


def texts(site: Site, services: Sequence[Service], *, version: int) -> dict[str, str]:
    """All units of a home, by file name; `version` is systemd's."""
    names = names_of(site.places)
    wanted = [service for service in services if service.is_wanted]
    units = {
        names.service(each.name): _service(site, each, names, version=version) for each in wanted
    }
    units[names.target] = _target(site.places, [names.service(each.name) for each in wanted])
    if site.places.pointer.is_symlink():
        units[names.service(RECOVER)] = _recover(site.places)
    return {name: HEAD + text for name, text in units.items()}


def _service(site: Site, service: Service, names: Names, *, version: int) -> str:
    places = site.places
    before = f"ExecStartPre=-/bin/rm -f {quoted(places.model_state / 'state.json')}"
    pause = [f"RestartSec={RESTART_S}"]
    if version >= GROWING_PAUSE:
        pause += ["RestartSteps=6", "RestartMaxDelaySec=60"]
    command = [str(through_pointer(places, service.command[0])), *service.command[1:]]
    return _text(
        {
            "Unit": [
                f"Description=Casemate {service.name} of {_plain(places.home)}",
                f"After=network.target {names.service(RECOVER)}",
                f"PartOf={names.target}",
                "StartLimitIntervalSec=0",
                f"RequiresMountsFor={quoted(places.home)}",
            ],
            "Service": [
                "Type=exec",
                f"WorkingDirectory={_plain(places.home)}",
                f"EnvironmentFile={_plain(environment_file(places, service.name))}",
                # What the last one said is no longer true.
                *([before] if service.name == MODEL_SERVER else []),
                f"ExecStart={' '.join(quoted(each).replace('$', '$$') for each in command)}",
                f"StandardOutput=append:{_plain(service.log)}",
                "StandardError=inherit",
                "Restart=always",
                *pause,
                "KillMode=mixed",
                f"TimeoutStopSec={STOP_WAIT_S}",
                f"LimitNOFILE={OPEN_FILES}",
                *lines(site, service.name),
            ],
        }
    )


def _target(places: Places, services: Sequence[str]) -> str:
    return _text(
        {
            "Unit": [
                f"Description=Casemate of {_plain(places.home)}",
                f"Wants={' '.join(services)}",
                f"After={' '.join(services)}",
            ],
            "Install": ["WantedBy=multi-user.target"],
        }
    )


def _recover(places: Places) -> str:
    """Mends what a power cut left of an upgrade, before the services start at boot."""
    python = quoted(places.pointer / "services" / "bin" / "python")
    return _text(
        {
            "Unit": [
                f"Description=Casemate mends an upgrade that was cut, of {_plain(places.home)}",
                f"ConditionPathExists={_plain(places.slots / 'journal.jsonl')}",
                f"RequiresMountsFor={quoted(places.home)}",
            ],
            "Service": [
                "Type=oneshot",
                f"Environment={quoted(f'CASEMATE_HOME={places.home}')} PYTHONSAFEPATH=1",
                f"ExecStart={python} -P -m install.cli bundle recover --no-start",
                f"StandardOutput=append:{_plain(places.logs / 'recovery.log')}",
                "StandardError=inherit",
                "TimeoutStartSec=120",
                # It acts for root, and as the services' user, on the home and on nothing else.
                "NoNewPrivileges=yes",
                "ProtectSystem=strict",
                f"ReadWritePaths={quoted(places.home)}",
                "PrivateTmp=yes",
                "PrivateNetwork=yes",
                "PrivateDevices=yes",
                "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SETUID CAP_SETGID",
                "RestrictAddressFamilies=AF_UNIX",
                "SystemCallFilter=@system-service",
                "SystemCallArchitectures=native",
                "SystemCallErrorNumber=EPERM",
                "LockPersonality=yes",
                "RestrictNamespaces=yes",
                "RestrictRealtime=yes",
                "RestrictSUIDSGID=yes",
                "ProtectKernelTunables=yes",
                "ProtectKernelModules=yes",
                "ProtectKernelLogs=yes",
                "ProtectControlGroups=yes",
                "ProtectClock=yes",
                "ProtectHostname=yes",
            ],
            # Not a part of the target: an upgrade under way starts that, and holds the lock.
            "Install": ["WantedBy=multi-user.target"],
        }
    )


def through_pointer(places: Places, program: str) -> Path:
    """The program by way of the link that says which slot is in use, so that boot follows it."""
    path = Path(program)
    if places.pointer.is_symlink() and path.is_relative_to(places.slot):
        return places.pointer / path.relative_to(places.slot)
    return path


def logrotate_text(places: Places) -> str:
    """Keeps the logs small where logrotate runs; the services append, so a cut loses no line."""
    return (
        f'"{places.logs}/*.log" {{\n    size 10M\n    rotate 5\n    copytruncate\n'
        "    missingok\n    notifempty\n    su root root\n}\n"
    )


def _text(sections: Mapping[str, Sequence[str]]) -> str:
    return "\n".join("\n".join([f"[{name}]", *found, ""]) for name, found in sections.items())


def _plain(text: object) -> str:
    return str(text).replace("%", "%%")
