"""What can stop a support file."""

from install.errors import UNFIT, InstallError


class SecretFoundError(InstallError):
    """Something that must stay here would have been in the file; nothing was written.

    `name` is the part of the support file, `kind` what it is: never the value.
    """

    code = "secret_found"
    exit_code = UNFIT

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(
            f"No file was written: {name} holds {kind}. Make that secret anew, for it has been "
            f"where it must not be, or leave the part out with --without {name}."
        )
        self.name = name
        self.kind = kind
