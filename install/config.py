"""The appliance's settings: a flag wins over a variable, a variable over what is remembered."""

import json
import os
import re
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from install.errors import SettingError
from install.tls import asked

LOOPBACK = "127.0.0.1"
STARTER = "starter"
DEVICES = ("auto", "cpu", "cuda")
ALL_GPUS = "all"
# As others publish them; an admin names another where none can be pulled. vLLM's CPU build needs
# libnuma and its CUDA build a C compiler, which the slim one lacks.
BASE_IMAGE = "python:3.11-slim-bookworm"
MODEL_BASE_IMAGE = "python:3.11-bookworm"
MAX_PORT = 65535
YES = ("true", "1", "yes", "on")
NO = ("false", "0", "no", "off", "")
# 32 bytes in base64url: alone on its line, after its name, or as a member of a JSON object.
PUBLIC_KEY = re.compile(
    r"""(?m)(?:^|^public key\s+|"public_key":\s*")([A-Za-z0-9_-]{43})=?(?:\s*$|")"""
)

PORT_FIELDS = (
    "instance_port",
    "gateway_port",
    "model_port",
    "instance_metrics_port",
    "gateway_metrics_port",
)
CONTAINER_FIELDS = ("base_image", "model_base_image", "model_server_image", "gpus")
LICENCE_FIELDS = ("bare", "licence_authority")
FIELDS = (
    *PORT_FIELDS,
    *("listen", "model", "family", "torch_index", "device"),
    *LICENCE_FIELDS,
    *CONTAINER_FIELDS,
    "systemd",
    *asked.FIELDS,
)

# Settings of the services themselves that are handed on as they are, and to which services.
HANDED_ON: dict[str, tuple[str, ...]] = {
    "CASEMATE_DATABASE_URL": ("instance",),
    "CASEMATE_MASTER_KEY_FILE": ("instance",),
    "CASEMATE_INSTANCE_PUBLIC_URL": ("instance",),
    "CASEMATE_GATEWAY_PUBLIC_URL": ("instance",),
    "CASEMATE_ALLOWED_NETWORKS": ("instance", "gateway"),
    "CASEMATE_TRUSTED_PROXIES": ("instance", "gateway"),
    "CASEMATE_MAX_BODY_BYTES": ("instance", "gateway"),
    "CASEMATE_SIGNING_KEY_LIFE": ("instance",),
    "CASEMATE_KEY_SET_MAX_AGE": ("instance",),
    "CASEMATE_KEY_SET_STALE_BUDGET": ("gateway",),
    "CASEMATE_FEED_STRICT_AFTER": ("gateway",),
    "CASEMATE_DEFINITIONS_FILE": ("gateway",),
    "CASEMATE_UPSTREAMS_FILE": ("gateway",),
    # Files of the machine, so for processes alone.
    "CASEMATE_ISSUERS_FILE": ("gateway",),
    "CASEMATE_USER_TOKEN_KEY_FILE": ("gateway",),
}

# Those whose folder containers are given, to see the files as they change.
MOUNTED = ("CASEMATE_DEFINITIONS_FILE", "CASEMATE_UPSTREAMS_FILE")

# What only the compose file asks for.
FOR_COMPOSE = (
    "CASEMATE_MODEL_MEMORY",
    "CASEMATE_MODEL_START_PERIOD",
    "CASEMATE_SHM_SIZE",
    "CASEMATE_POSTGRES_IMAGE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What `up` was told; its repr leaves out `handed_on`, which may hold a password."""

    listen: str = LOOPBACK
    instance_port: int = 8080
    gateway_port: int = 5052
    model_port: int = 8000
    # None follows the instance's port, so that a second appliance needs no more flags.
    instance_metrics_port: int | None = None
    gateway_metrics_port: int | None = None
    model: str = STARTER
    family: str = "general"
    torch_index: str | None = None
    device: str = "auto"
    # Whether the licence for a demonstration is left out.
    bare: bool = False
    # The public key of whose licences are taken; None takes the demonstration's.
    licence_authority: str | None = None
    # Whether `up --compose` made this home; the services are containers then.
    containers: bool = False
    # Whether systemd keeps the services running, as units, in place of a supervisor.
    systemd: bool = False
    base_image: str | None = None
    model_base_image: str | None = None
    # One that the engine has already, used as it is; None builds it.
    model_server_image: str | None = None
    # ALL_GPUS, or the engine's numbers with commas between them; None leaves it to `device`.
    gpus: str | None = None
    # Whether instance and gateway speak TLS; with certificates of this home's own authority
    # unless the organisation's are named.
    tls: bool = False
    tls_names: tuple[str, ...] = ()
    cert: str | None = None
    key: str | None = None
    gateway_cert: str | None = None
    gateway_key: str | None = None
    # Whom to trust beside this home's own authority.
    ca: str | None = None
    # By service, the host that others are told and the one that this machine uses, where the
    # organisation's certificates decide.
    tls_told: dict[str, str] = field(default_factory=dict)
    tls_reached: dict[str, str] = field(default_factory=dict)
    handed_on: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def ports(self) -> dict[str, int]:
        """Every port the services listen on, by what listens there."""
        public = {"instance": self.instance_port, "gateway": self.gateway_port}
        if self.containers:
            return public
        return {
            **public,
            "model": self.model_port,
            "instance metrics": self.instance_metrics_port or self.instance_port + 3,
            "gateway metrics": self.gateway_metrics_port or self.instance_port + 2,
        }

    @property
    def base_images(self) -> tuple[str, str]:
        """What the services' images are built on, and what the model server's is."""
        model = self.model_base_image or self.base_image or MODEL_BASE_IMAGE
        return self.base_image or BASE_IMAGE, model

    @property
    def is_public(self) -> bool:
        """Whether anything beyond this machine can reach the instance and the gateway."""
        return not ip_address(self.listen).is_loopback

    @property
    def local_host(self) -> str:
        """The address under which this machine reaches the instance and the gateway."""
        address = ip_address(self.listen)
        if isinstance(address, IPv6Address):
            return "[::1]" if address.is_unspecified else f"[{address}]"
        return LOOPBACK if address.is_unspecified else str(address)

    @property
    def instance_url(self) -> str:
        """Where this machine reaches the instance."""
        return f"{self._local_origin('instance')}:{self.instance_port}"

    @property
    def gateway_url(self) -> str:
        """Where this machine reaches the gateway."""
        return f"{self._local_origin('gateway')}:{self.gateway_port}"

    def _local_origin(self, service: str) -> str:
        return f"{self.scheme}://{self.tls_reached.get(service) or self.local_host}"

    @property
    def scheme(self) -> str:
        """What instance and gateway speak."""
        return "https" if self.tls else "http"

    @property
    def model_url(self) -> str:
        """OpenAI's base URL of the model server, which stays on loopback."""
        return f"http://{LOOPBACK}:{self.model_port}/v1"


def public_host(config: Config) -> str:
    """The host to tell others: the address listened on, or the machine's name for all of them."""
    if ip_address(config.listen).is_unspecified:
        return socket.gethostname()
    return config.local_host


def resolve(
    flags: Mapping[str, object], environment: Mapping[str, str], remembered: Config | None = None
) -> Config:
    """Puts the three sources together; a flag of None was not given.

    `containers` is remembered only by what `up` sets up, so the flag alone decides.

    Raises:
        SettingError: a value cannot be used; the sentence names it, unless it may be secret.
    """
    values = asdict(remembered or Config())
    told = _told(flags, environment)
    values |= told
    if told.get("licence_authority"):
        values["licence_authority"] = _public_key(Path(str(told["licence_authority"])))
    if "tls" in told:
        told["tls"] = _yes_or_no("tls", told["tls"])
    asked.settle(values, told)
    values["containers"] = bool(flags.get("containers"))
    handed_on = {**values["handed_on"]}
    known = (*HANDED_ON, *FOR_COMPOSE)
    handed_on |= {name: environment[name] for name in known if environment.get(name)}
    for name in MOUNTED:
        # Services run elsewhere than the shell in which it was said.
        if environment.get(name):
            handed_on[name] = str(Path(environment[name]).absolute())
    values["handed_on"] = handed_on
    return _checked(values)


def _told(flags: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in FIELDS:
        variable = environment.get(f"CASEMATE_{name.upper()}")
        told = flags.get(name)
        if told is not None or variable:
            found[name] = variable if told is None else told
    return found


def _checked(values: dict[str, object]) -> Config:
    for name in PORT_FIELDS:
        if values[name] is not None:
            values[name] = _port(name, values[name])
    try:
        values["listen"] = str(ip_address(str(values["listen"])))
    except ValueError:
        sentence = f"--listen takes an address of this machine, not {values['listen']!r}."
        raise SettingError(sentence) from None
    if values["device"] not in DEVICES:
        sentence = f"CASEMATE_DEVICE is one of {', '.join(DEVICES)}, not {values['device']!r}."
        raise SettingError(sentence)
    for name in ("bare", "tls", "systemd"):
        values[name] = _yes_or_no(name, values[name])
    if values["systemd"] and values["containers"]:
        sentence = "--compose and --systemd exclude each other; this home runs by --systemd."
        raise SettingError(sentence)
    asked.checked(values)
    for name in (*CONTAINER_FIELDS, "torch_index", "licence_authority"):
        # An empty word takes a remembered one back.
        values[name] = values[name] or None
    values["gpus"] = _gpus(values["gpus"])
    if values["containers"]:
        _check_database(dict(values["handed_on"]))  # type: ignore[call-overload]  # a dict it is
    if values["model"] != STARTER:
        values["model"] = str(Path(str(values["model"])).expanduser().absolute())
    return Config(**values)  # type: ignore[arg-type]  # each was checked above


def _port(name: str, value: object) -> int:
    try:
        port = int(str(value))
    except ValueError:
        port = 0
    if not 0 < port <= MAX_PORT:
        flag = name.replace("_", "-")
        sentence = f"--{flag} takes a port from 1 to {MAX_PORT}, not {value!r}."
        raise SettingError(sentence)
    return port


def _yes_or_no(name: str, value: object) -> bool:
    word = str(value).lower()
    if word not in (*YES, *NO):
        sentence = f"CASEMATE_{name.upper()} is true or false, not {value!r}."
        raise SettingError(sentence)
    return word in YES


def _public_key(path: Path) -> str:
    """The key in what `casemate licence authority show` prints, or alone, in base64url."""
    try:
        found = PUBLIC_KEY.search(path.expanduser().read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as cause:
        sentence = f"--licence-authority: {path} cannot be read."
        raise SettingError(sentence) from cause
    if found is None:
        sentence = (
            f"--licence-authority: {path} holds no public key of a licence authority; "
            "`casemate licence authority show` prints one."
        )
        raise SettingError(sentence)
    return found[1]


def _check_database(handed_on: Mapping[str, str]) -> None:
    try:
        has_password = urlsplit(handed_on.get("CASEMATE_DATABASE_URL", "")).password is not None
    except ValueError:
        has_password = False
    if has_password:
        sentence = (
            "CASEMATE_DATABASE_URL holds a password, which everybody who may inspect containers "
            "would read; leave it out and put it into containers/secrets/postgres_password."
        )
        raise SettingError(sentence)


def _gpus(value: object) -> str | None:
    if value is None or value == ALL_GPUS:
        return None if value is None else ALL_GPUS
    numbers = str(value).replace(" ", "").split(",")
    if not all(each.isdigit() for each in numbers) or len(set(numbers)) != len(numbers):
        sentence = f"--gpus takes `all`, or numbers such as 0 or 0,1, not {value!r}."
        raise SettingError(sentence)
    return ",".join(numbers)


def load(path: Path) -> Config | None:
    """What was remembered; None before the first `up`.

    Raises:
        SettingError: the file is there and cannot be used.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
        known = {each.name for each in fields(Config)}
        return _checked({**asdict(Config()), **{k: v for k, v in values.items() if k in known}})
    except FileNotFoundError:
        return None
    except PermissionError:
        sentence = f"{path} cannot be read; this appliance belongs to another user."
        raise SettingError(sentence) from None
    except (ValueError, AttributeError, TypeError):
        sentence = f"{path} is damaged; correct it, or remove it and give the settings again."
        raise SettingError(sentence) from None


def save(path: Path, config: Config) -> None:
    """Remembers `config`, for its owner only."""
    write_private(path, json.dumps(asdict(config), indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replaces a file as a whole; its mode is 0600 from the first byte on.

    Written by root it belongs to whom its folder belongs to: the services' user, under systemd.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(handle, folder.st_uid, folder.st_gid)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # Else a power cut could leave the new name on an empty file.
        os.fsync(file.fileno())
    Path(name).replace(path)
