"""What can be wrong with weights that are carried in; nothing is served, and nothing half made."""

from collections.abc import Sequence

from install.errors import UNFIT, InstallError


class WeightsRefusedError(InstallError):
    """What was named is no folder of weights as a model server takes one."""

    code = "weights_refused"
    exit_code = UNFIT


class PickleRefusedError(WeightsRefusedError):
    """The weights have files that are programs for Python, and run when they are loaded."""

    code = "pickle_refused"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"{', '.join(names[:3])}: files of this kind can run programs when they are loaded; "
            "take the model's safetensors, or say --allow-pickle if you trust who made them."
        )
        self.names = tuple(names)


class WeightsChangedError(InstallError):
    """A file is not the one that its digest says, or changed while it was copied."""

    code = "weights_changed"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not the file that its digest says; copy the weights again.")


class NoRoomError(InstallError):
    """The disk cannot take the weights; nothing was written."""

    code = "disk_full"
    exit_code = UNFIT


class DoesNotFitError(InstallError):
    """The machine's memory is too small for the model."""

    code = "model_does_not_fit"
    exit_code = UNFIT

    def __init__(self, ref: str, numbers: str) -> None:
        super().__init__(
            f"The model {ref} does not fit: {numbers}. --force imports it all the same."
        )


class NotImportedError(InstallError):
    """There is no imported model of this ref."""

    code = "model_not_imported"
    exit_code = UNFIT

    def __init__(self, ref: str, known: Sequence[str]) -> None:
        super().__init__(f"No model {ref!r} was imported; imported: {', '.join(known) or 'none'}.")


class ModelServedError(InstallError):
    """The model is the one that is served, or that a slot goes back to."""

    code = "model_served"
    exit_code = UNFIT

    def __init__(self, ref: str) -> None:
        super().__init__(
            f"{ref} is in use here; serve another first (`casemate up --model DIR`, `--model "
            "starter` for the demonstration)."
        )


class NotServedError(InstallError):
    """The new model did not come up; the sentence says why, and what runs instead."""

    code = "model_not_served"
