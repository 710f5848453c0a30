"""Why a bundle cannot be built; nothing is at the place where it was to be."""

from __future__ import annotations

from pathlib import Path

from install.errors import UNFIT, InstallError


class BuildRefusedError(InstallError):
    """What was asked for cannot be built; nothing was done."""

    code = "build_refused"
    exit_code = UNFIT


class OutExistsError(BuildRefusedError):
    """There is a file already."""

    code = "bundle_exists"

    def __init__(self, out: Path) -> None:
        super().__init__(f"{out} is there already; remove it, or replace it with --force.")


class OutUnusableError(BuildRefusedError):
    """No bundle can be written to where it is to be."""

    code = "out_unusable"


class KeyNotValidError(BuildRefusedError):
    """What the key signed now would be refused by every box."""

    code = "signing_key_not_valid"

    def __init__(self, folder: Path, *, begins: str, ends: str) -> None:
        super().__init__(
            f"The key in {folder} signs from {begins} until {ends}, and it is another time by this "
            "machine's clock; no box would take the bundle. Set the clock right if it is wrong, or "
            "sign with another key: `casemate bundle key new` makes one."
        )


class NoSourcesError(BuildRefusedError):
    """Bundles are built from a clone, and this is none."""

    code = "sources_missing"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is no clone of Casemate; a bundle is built from one: run "
            "`python3 -m install bundle build …` in it, or name it with --sources."
        )


class TimeUnknownError(BuildRefusedError):
    """Nothing says when the release was made, and the clock would make each bundle another."""

    code = "made_at_unknown"

    def __init__(self) -> None:
        super().__init__(
            "Nothing says when this release was made: set SOURCE_DATE_EPOCH to seconds since 1970, "
            "or build from a clone with its commits."
        )


class WheelsMissingError(InstallError):
    """What was fetched is not what the lock lists."""

    code = "wheels_missing"

    def __init__(self, lock: str, missing: int) -> None:
        super().__init__(
            f"{missing} packages of {lock} were missing or other than listed; build again, which "
            "fetches them anew."
        )


class NoRoomError(InstallError):
    """The disk ran full."""

    code = "disk_full"

    def __init__(self, place: Path) -> None:
        super().__init__(
            f"The disk ran full while {place} was written; make room and build again, which goes "
            "on where it stopped."
        )


class ImageExportError(InstallError):
    """What the engine exported cannot be carried."""

    code = "image_export_invalid"
