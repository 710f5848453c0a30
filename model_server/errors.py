"""What can go wrong here, each with a stable code and a sentence an admin can act on."""

from pathlib import Path
from typing import ClassVar

GIB = 1024**3


class ModelServerError(Exception):
    """The root of this package's errors; `str()` is fit for an admin and holds no secret."""

    code: ClassVar[str] = "model_server_error"


class SettingsInvalidError(ModelServerError):
    """Settings are wrong or missing; `problems` lists all of them."""

    code = "settings_invalid"

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ModelListInvalidError(ModelServerError):
    """The list of models to serve cannot be used."""

    code = "model_list_invalid"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path.name}: {problem}")
        self.path = path


class AlreadyRunningError(ModelServerError):
    """Another model server holds the same state folder."""

    code = "already_running"

    def __init__(self) -> None:
        super().__init__("Another model server is running with the same state folder.")


class CpuUnsupportedError(ModelServerError):
    """The processor lacks instructions that vLLM's CPU build is compiled for."""

    code = "cpu_unsupported"

    def __init__(self, missing: tuple[str, ...]) -> None:
        names = ", ".join(missing)
        super().__init__(f"This processor lacks {names}, which vLLM's CPU build needs.")
        self.missing = missing


class NotEnoughMemoryError(ModelServerError):
    """The model does not fit into what is free; both figures are in bytes."""

    code = "not_enough_memory"

    def __init__(self, *, needed_bytes: int, free_bytes: int, place: str) -> None:
        needed, free = needed_bytes / GIB, free_bytes / GIB
        super().__init__(
            f"The model needs about {needed:.1f} GiB of {place}, {free:.1f} GiB are free."
        )
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


class PortTakenError(ModelServerError):
    """Something else listens where the model should."""

    code = "port_taken"

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken by another program.")
        self.port = port


class WeightsInvalidError(ModelServerError):
    """A model folder cannot be served."""

    code = "weights_invalid"

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"The model folder {folder} {problem}.")
        self.folder = folder


class WeightsAlteredError(ModelServerError):
    """A file of a model folder is not what its digest file says."""

    code = "weights_altered"

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(f"The file {name} in {folder} is not what it was when it was made.")
        self.folder = folder
        self.name = name


class ConversionFailedError(ModelServerError):
    """A GGUF file could not be turned into a model folder."""

    code = "conversion_failed"

    def __init__(self, source: Path, problem: str) -> None:
        super().__init__(f"{source.name} could not be converted: {problem}.")
        self.source = source


class EngineFailedError(ModelServerError):
    """vLLM ended, hung or never became ready; `reason` says why, as far as its log tells."""

    code = "engine_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
