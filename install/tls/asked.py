"""What `up` is told of TLS, before any file is looked at; standard library only."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from install.errors import SettingError

FILES = ("cert", "key", "gateway_cert", "gateway_key", "ca")
FIELDS = ("tls", "tls_names", *FILES)
# RFC 1123, with a leading star as certificates have it.
HOST_NAME = re.compile(
    r"(?=.{1,253}$)(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
NOT_IN_CONTAINERS = (
    "--tls, --cert and --ca do not go with --compose yet: put a proxy that speaks TLS in front of "
    "the containers' ports, or run `up` without --compose."
)


def settle(values: dict[str, Any], told: Mapping[str, object]) -> None:
    """Puts the settings in order that one of them decides for others; `told` was told this time."""
    values["tls_names"] = _names(values["tls_names"])
    if told.get("tls") is False or told.get("cert") == "":
        values.update(dict.fromkeys(("cert", "key", "gateway_cert", "gateway_key"), ""))
    elif told.get("cert") and told.get("tls") is None:
        values["tls"] = True


def checked(values: dict[str, Any]) -> None:
    """Brings the settings into their form.

    Raises:
        SettingError: one of them cannot be used, or not without another.
    """
    values["tls_names"] = _names(values["tls_names"])
    for name in FILES:
        path = values[name]
        values[name] = str(Path(path).expanduser().absolute()) if path else None
    for name, partner in (("cert", "key"), ("gateway_cert", "gateway_key")):
        if bool(values[name]) != bool(values[partner]):
            sentence = f"{_flag(name)} and {_flag(partner)} go together."
            raise SettingError(sentence)
    for name, needed in (("cert", "ca"), ("gateway_cert", "cert")):
        if values[name] and not values[needed]:
            sentence = f"{_flag(name)} goes with {_flag(needed)}."
            raise SettingError(sentence)
    if values["containers"] and (values["tls"] or values["ca"]):
        raise SettingError(NOT_IN_CONTAINERS)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _names(value: object) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value or ()
    names = tuple(dict.fromkeys(str(word).strip().lower() for word in words if str(word).strip()))  # type: ignore[attr-defined]  # a list or tuple
    for name in names:
        if not is_name(name):
            sentence = f"--tls-name takes a host name or an address, not {name!r}."
            raise SettingError(sentence)
    return names


def is_name(text: str) -> bool:
    """Whether a certificate can be made out to it."""
    return is_address(text) or HOST_NAME.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
