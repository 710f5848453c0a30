"""Turns what the compose plugin says into errors with a sentence of their own."""

import re

from install.containers.errors import (
    ComposeError,
    DiskFullError,
    GpuMissingError,
    ImageMissingError,
    NetworkError,
    PortTakenError,
)
from install.errors import InstallError

LONGEST = 500


def explained(what: str, said: str) -> InstallError:
    """The error that the end of a failed command's output stands for."""
    text = " ".join(said.split())
    lower = text.lower()
    if "no space left on device" in lower:
        sentence = "The engine's disk ran full; `docker system df` shows what takes it."
        return DiskFullError(sentence)
    taken = re.search(
        r"([\d.:\[\]a-f]*:\d+)[^:]*:? (?:bind: )?(?:address already in use|port is already alloc)",
        lower,
    )
    if taken or "port is already allocated" in lower or "address already in use" in lower:
        where = f"The port {taken[1].rpartition(':')[2]}" if taken else "One of the ports"
        sentence = (
            f"{where} was taken by another program in the meantime; choose others with "
            "--instance-port and --gateway-port."
        )
        return PortTakenError(sentence)
    return _about_images_and_networks(what, text)


def _about_images_and_networks(what: str, text: str) -> InstallError:
    lower = text.lower()
    if "could not select device driver" in lower or "unresolvable cdi" in lower:
        sentence = (
            "The engine cannot hand a GPU to a container; install NVIDIA's container toolkit."
        )
        return GpuMissingError(sentence)
    missing = re.search(r"no such image: (\S+)", text, re.IGNORECASE)
    if missing:
        return ImageMissingError(missing[1].rstrip(":"), "the engine does not have it")
    if "address pool" in lower:
        sentence = (
            "The engine has no addresses left for another network; remove networks that nothing "
            "uses (`docker network prune`), or widen default-address-pools in its daemon.json."
        )
        return NetworkError(sentence)
    if "same bridge name" in lower or "pool overlaps" in lower:
        sentence = f"Another network stands in the way: {text[-LONGEST:]}"
        return NetworkError(sentence)
    return ComposeError(what, text[-LONGEST:])
