"""What can go wrong with an engine, its images and its containers."""

from install.errors import UNFIT, InstallError


class EngineMissingError(InstallError):
    """No engine can be reached; nothing was changed."""

    code = "engine_missing"
    exit_code = UNFIT


class EngineForbiddenError(InstallError):
    """This user may not open the engine's socket."""

    code = "engine_forbidden"
    exit_code = UNFIT

    def __init__(self, path: object) -> None:
        super().__init__(
            f"This user may not use the engine at {path}; run it as root, or as a member of the "
            "socket's group (`docker`), which amounts to the same."
        )


class EngineUnfitError(InstallError):
    """The engine is too old, not on this machine, or runs no Linux containers."""

    code = "engine_unfit"
    exit_code = UNFIT


class EngineFailedError(InstallError):
    """The engine refused a request, or stopped answering in the middle of the work."""

    code = "engine_failed"

    def __init__(self, said: str) -> None:
        super().__init__(f"The engine failed: {said}")


class ComposeMissingError(InstallError):
    """The compose plugin is missing or too old."""

    code = "compose_missing"
    exit_code = UNFIT


class GpuMissingError(InstallError):
    """A GPU was asked for, and the engine cannot hand one to a container."""

    code = "gpu_missing"
    exit_code = UNFIT


class ImageMissingError(InstallError):
    """An image is neither here nor can it be pulled."""

    code = "image_missing"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The image {name} is not here and cannot be pulled ({reason}); load it with "
            "`docker load`, or name one that is here with --base-image."
        )
        self.name = name


class ImageRefusedError(InstallError):
    """The file of an image in a bundle is not what it must be; the engine never saw it."""

    code = "image_refused"
    exit_code = UNFIT

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"The image of the {service} in the bundle {reason}; it was not loaded.")


class ImageLoadError(InstallError):
    """The engine did not take an image of a bundle."""

    code = "image_load_failed"

    def __init__(self, service: str, said: str) -> None:
        super().__init__(f"The engine did not take the image of the {service}: {said}")


class ImageGoneError(InstallError):
    """An image that came in a bundle is not in the engine any more."""

    code = "image_missing"

    def __init__(self, tag: str) -> None:
        super().__init__(
            f"The image {tag} is not in the engine any more; apply the bundle again, which loads "
            "what is missing."
        )


class BuildError(InstallError):
    """An image could not be built; what was made of it is removed again."""

    code = "image_build_failed"

    def __init__(self, service: str, said: str) -> None:
        super().__init__(f"The image of the {service} could not be built: {said}")


class DiskFullError(InstallError):
    """The engine's disk has no room, or ran out of it."""

    code = "disk_full"


class PortTakenError(InstallError):
    """Something took a published port between the check and the start."""

    code = "port_taken"


class NetworkError(InstallError):
    """The engine cannot make one of the networks."""

    code = "network_unavailable"


class ComposeError(InstallError):
    """A compose command failed in a way that has no sentence of its own."""

    code = "compose_failed"

    def __init__(self, what: str, said: str) -> None:
        super().__init__(f"`docker compose {what}` failed: {said}")


class UnhealthyError(InstallError):
    """A container did not become healthy; the sentence has the end of its log."""

    code = "service_not_ready"

    def __init__(self, service: str, state: str, lines: list[str]) -> None:
        said = "".join(f"\n  {line}" for line in lines) or " nothing"
        super().__init__(f"The {service} is {state}. The end of its log:{said}")
