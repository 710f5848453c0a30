"""Whether a release may take the place of the one in use: values in, a refusal out."""

from install.bundle.manifest import Manifest, version_of
from install.errors import UNFIT, InstallError
from install.slots.slot import Slot

# A release runs on the database of the next one, so that a rollback keeps what was written.
GENERATIONS_BACK = 1


class OlderBundleError(InstallError):
    """The bundle's release is older than the one in use."""

    code = "bundle_older"
    exit_code = UNFIT

    def __init__(self, carried: str, installed: str) -> None:
        super().__init__(
            f"The bundle brings {carried}, and {installed} is in use. `casemate bundle rollback` "
            "goes back to the release before; data of a newer one is not for an older one."
        )


class DatabaseTooNewError(InstallError):
    """The database was shaped by a release too far ahead."""

    code = "database_too_new"
    exit_code = UNFIT

    def __init__(self, release: str, generation: int, database: int) -> None:
        super().__init__(
            f"The database is of generation {database}, {release} knows {generation} and runs on "
            f"at most {generation + GENERATIONS_BACK}. Restore a backup of that release, or bring "
            "a newer one."
        )


class DeviceMissingError(InstallError):
    """The bundle has no model server for this machine."""

    code = "device_missing"
    exit_code = UNFIT

    def __init__(self, wanted: str, carried: tuple[str, ...]) -> None:
        has = " and ".join(carried) or "none"
        super().__init__(
            f"The bundle's model server is for {has}, this machine wants {wanted}; bring one built "
            f"with --device {wanted}, or say CASEMATE_DEVICE=cpu."
        )


def check_release(manifest: Manifest, current: Slot | None) -> None:
    """Passes when the bundle is not older than what is in use.

    Raises:
        OlderBundleError: it is.
    """
    if current and version_of(manifest.release) < version_of(current.release):
        raise OlderBundleError(manifest.release, current.release)


def check_database(release: str, generation: int, *, database: int | None) -> None:
    """Passes when a release of a generation runs on a database of another; None has no database.

    Raises:
        DatabaseTooNewError: it does not.
    """
    if database is not None and database > generation + GENERATIONS_BACK:
        raise DatabaseTooNewError(release, generation, database)


def device_for(manifest: Manifest, wanted: str) -> str:
    """The model server to install where `wanted` fits best; a GPU can be left unused by wish only.

    Raises:
        DeviceMissingError: the bundle does not bring it.
    """
    if wanted not in manifest.devices:
        raise DeviceMissingError(wanted, manifest.devices)
    return wanted
