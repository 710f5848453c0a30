"""What can go wrong with backups."""

from pathlib import Path

from install.errors import FAILED, UNFIT, InstallError


class BackupError(InstallError):
    """A backup could not be made; nothing is left of the attempt."""

    code = "backup_failed"


class PassphraseError(InstallError):
    """There is no passphrase that can be used."""

    code = "passphrase_unusable"
    exit_code = UNFIT


class PassphraseWrongError(InstallError):
    """The passphrase is not the one that the backup was made with."""

    code = "passphrase_wrong"
    exit_code = UNFIT

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"That is not the passphrase of {path}, or its first bytes were changed. Nothing was "
            "changed here."
        )


class BackupDamagedError(InstallError):
    """The file is no backup, or not as it was written: changed, cut, or put together anew."""

    code = "backup_damaged"
    exit_code = UNFIT

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be used: {reason}. Nothing was changed here.")


class BackupUnfitError(InstallError):
    """The backup is whole, but not for what is installed here."""

    code = "backup_unfit"
    exit_code = UNFIT


class RestoreFailedError(InstallError):
    """What was restored did not come up."""

    code = "restore_failed"
    exit_code = FAILED

    def __init__(self, cause: str, then: str) -> None:
        super().__init__(f"{cause}\n{then}")
