"""Which version of the product this is."""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The installed version; in a clone that was never installed, a word that says so."""
    try:
        return version("casemate")
    except PackageNotFoundError:
        return "unreleased"
