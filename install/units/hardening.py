"""What each unit may do: values in, lines of its [Service] section out."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from install.config import Config
from install.places import Places
from install.services import GATEWAY, INSTANCE, MODEL_SERVER, RENEWAL
from install.units import owner

ALLOWED = "CASEMATE_ALLOWED_NETWORKS"
PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
PRIVILEGED_PORTS = 1024
PROTECTED_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))

FOR_ALL = (
    "NoNewPrivileges=yes",
    "UMask=0077",
    "PrivateTmp=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "IPAddressDeny=any",
)
SYSTEM_CALLS = "SystemCallFilter=@system-service"
FEW_SYSTEM_CALLS = (SYSTEM_CALLS, "SystemCallFilter=~@privileged @resources")
# torch and vLLM compile as they go, place threads and memory on cores, and look for interfaces.
ENGINE_SYSTEM_CALLS = (SYSTEM_CALLS, "SystemCallFilter=@resources", "SystemCallFilter=~@privileged")
GPU_DEVICES = ("DevicePolicy=closed", "DeviceAllow=char-nvidia* rw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the lines depend on; `named` are files outside of the home that services read."""

    places: Places
    config: Config
    device: str
    named: tuple[Path, ...] = ()


def lines(site: Site, name: str) -> tuple[str, ...]:
    """The lines for one of the services."""
    made = {
        INSTANCE: _ours,
        GATEWAY: _ours,
        MODEL_SERVER: _engine,
        RENEWAL: _renewal,
    }[name](site, name)
    return (*FOR_ALL, _homes(site, name), *made, *_folders(site, name))


def _ours(site: Site, name: str) -> tuple[str, ...]:
    port = site.config.instance_port if name == INSTANCE else site.config.gateway_port
    # Nobody but root may listen on these without it.
    bind = "CAP_NET_BIND_SERVICE" if port < PRIVILEGED_PORTS else ""
    return (
        f"User={owner.NAME}",
        f"Group={owner.NAME}",
        "ProtectSystem=strict",
        f"CapabilityBoundingSet={bind}",
        f"AmbientCapabilities={bind}",
        "PrivateDevices=yes",
        "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        *FEW_SYSTEM_CALLS,
        f"IPAddressAllow={' '.join(networks(site.config))}",
    )


def _engine(site: Site, _name: str) -> tuple[str, ...]:
    devices = GPU_DEVICES if site.device == "cuda" else ("PrivateDevices=yes",)
    return (
        f"User={owner.NAME}",
        f"Group={owner.NAME}",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        *devices,
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        *ENGINE_SYSTEM_CALLS,
        "IPAddressAllow=localhost",
        # It sees by itself to engines that the kernel ended, and says why.
        "OOMPolicy=continue",
    )


def _renewal(site: Site, _name: str) -> tuple[str, ...]:
    return (
        # Root, who alone may write beside the program; it acts as the services' user on what is
        # theirs, and backups may go to any disk.
        "CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SETUID CAP_SETGID",
        "ProtectSystem=full",
        "PrivateDevices=yes",
        "MemoryDenyWriteExecute=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        SYSTEM_CALLS,
        # A scheduled backup reads a database that may be on another machine.
        f"IPAddressAllow={' '.join(networks(site.config))}",
    )


def _folders(site: Site, name: str) -> tuple[str, ...]:
    places, home = site.places, site.places.home
    keys = home / "keys"
    written: dict[str, Sequence[Path]] = {
        INSTANCE: (home / "instance", keys, places.egress),
        GATEWAY: (home / "gateway", places.egress),
        MODEL_SERVER: (places.model_state, places.egress),
        RENEWAL: (home,),
    }
    hidden: dict[str, Sequence[Path]] = {
        INSTANCE: (places.backups,),
        GATEWAY: (home / "instance", keys / "master.key", places.credentials, places.backups),
        MODEL_SERVER: (home / "instance", home / "gateway", keys, places.credentials),
        RENEWAL: (),
    }
    kept = (places.slots, places.packages, home / "envs", places.models)
    return (
        *(f"ReadOnlyPaths=-{quoted(path)}" for path in kept if name == RENEWAL),
        *(f"ReadWritePaths={quoted(path)}" for path in written[name]),
        *(f"InaccessiblePaths=-{quoted(path)}" for path in hidden[name]),
    )


def _homes(site: Site, name: str) -> str:
    """People's homes are hidden unless something that is needed lies in one.

    Such as, maybe, the passphrase of scheduled backups.
    """
    model = () if site.config.model == "starter" else (Path(site.config.model),)
    needed = (site.places.home, *model, *site.named)
    lies_there = name == RENEWAL or any(
        path.is_relative_to(folder) for path in needed for folder in PROTECTED_HOMES
    )
    return f"ProtectHome={'read-only' if lies_there else 'yes'}"


def networks(config: Config) -> tuple[str, ...]:
    """Where instance and gateway may connect to, and be connected to from.

    Loopback and the networks that the admin names; the private ones, too, once clients come from
    beyond this machine.
    """
    told = config.handed_on.get(ALLOWED, "").split(",")
    named = [str(ip_network(each.strip(), strict=False)) for each in told if each.strip()]
    private = PRIVATE_NETWORKS if config.is_public else ()
    return tuple(dict.fromkeys(("localhost", *private, *named)))


def quoted(path: Path | str) -> str:
    """A word of a unit's line as systemd reads it back."""
    text = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if any(each.isspace() or each in "\"'\\;" for each in text) else text
