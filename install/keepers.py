"""Who keeps the services running: a supervisor of this home's own, or systemd.

Standard library only, until it starts or asks a supervisor.
"""

from collections.abc import Mapping, Sequence

from install import stopping
from install.config import Config
from install.errors import SettingError
from install.places import Places
from install.running import Running, Started
from install.services import Service
from install.units import control
from install.units.control import Units


def prepare(places: Places, config: Config) -> None:
    """Sees to it that what is set up next belongs to whom the services run as.

    Raises:
        SystemdError: there is no such user, and none could be made.
    """
    if config.systemd:
        control.prepare(places)


def bring_up(
    places: Places,
    config: Config,
    services: Sequence[Service],
    *,
    fingerprints: Mapping[str, str],
    device: str,
    foreground: bool,
) -> Started:
    """Starts what does not run, and anew what changed; takes over from the other keeper.

    Raises:
        SettingError: systemd keeps nothing in the foreground.
        InstallError: the services could not be started.
    """
    if config.systemd:
        if foreground:
            sentence = "systemd keeps the services here; --foreground needs --no-systemd as well."
            raise SettingError(sentence)
        return control.bring_up(places, config, services, fingerprints=fingerprints, device=device)
    from install import supervision

    Units(places=places).remove()
    return supervision.bring_up(places, services, fingerprints, foreground=foreground)


def stop(places: Places, *, stays_down: bool) -> int:
    """Ends all services, whoever keeps them; returns how many ran.

    With `stays_down` systemd starts none at boot either; what a supervisor keeps never does.

    Raises:
        SystemdError: systemd refused.
    """
    units = Units(places=places).stop(stays_down=stays_down)
    return units + stopping.stop_everything(places)


def running(places: Places, config: Config) -> dict[str, Running] | None:
    """What runs, by service; None when nothing does.

    Raises:
        SystemdError: systemd does not answer.
    """
    if config.systemd:
        return Units(places=places).running()
    from install.supervision import Supervisor

    return Supervisor(places).running()
