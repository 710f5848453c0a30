"""What can go wrong while installing and running, each with a stable code and a sentence.

Exit codes of the program: 0 done, 1 failed or degraded, 2 this machine or this input does not fit
(nothing was changed), 3 the services are stopped, 130 interrupted.
"""

from collections.abc import Sequence

FAILED = 1
UNFIT = 2
STOPPED = 3
INTERRUPTED = 130


class InstallError(Exception):
    """The root; `sentence` is fit for a person and holds no secret."""

    code = "install_failed"
    exit_code = FAILED

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class InterruptError(BaseException):
    """Somebody pressed Ctrl-C or sent SIGTERM; its text, if any, says what was left how.

    No `Exception`, so that no library takes it for a failure of its own, and no
    `KeyboardInterrupt`, which the command line's library answers itself.
    """


class UnfitMachineError(InstallError):
    """The checks before an installation failed; `problems` has a sentence for each."""

    code = "machine_unfit"
    exit_code = UNFIT

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class SettingError(InstallError):
    """A flag, a variable or a remembered setting is not one that can be used."""

    code = "setting_invalid"
    exit_code = UNFIT


class ModelFolderError(InstallError):
    """A folder given as a model does not hold one."""

    code = "model_folder_invalid"
    exit_code = UNFIT


class RunsOtherwiseError(InstallError):
    """The home was set up in the other way, as processes or as containers."""

    code = "runs_otherwise"
    exit_code = UNFIT


class FromBundleError(InstallError):
    """The home's program came in a bundle, so that a clone must not change it."""

    code = "installed_from_bundle"
    exit_code = UNFIT

    def __init__(self, slot: object) -> None:
        super().__init__(
            f"What is installed here came in a bundle; {slot}/services/bin/casemate up starts it, "
            "a newer bundle upgrades it. For a clone set CASEMATE_HOME to another folder."
        )


class CertificateError(InstallError):
    """A certificate, its key or its authority cannot be used; `code` says in which way."""

    exit_code = UNFIT

    def __init__(self, sentence: str, *, code: str) -> None:
        super().__init__(sentence)
        self.code = code


class AlreadyWorkingError(InstallError):
    """Another `up` or `down` is at work on the same home."""

    code = "already_running"

    def __init__(self, home: object) -> None:
        super().__init__(
            f"Another casemate is setting up or stopping {home} right now; wait until it is done."
        )


class NotInstalledError(InstallError):
    """Nothing has been set up at this home yet."""

    code = "not_installed"
    exit_code = STOPPED

    def __init__(self, home: object) -> None:
        super().__init__(
            f"Nothing is set up at {home} yet; run `python3 -m install up` in the clone, or set "
            "CASEMATE_HOME to the appliance you mean."
        )


class PackagesError(InstallError):
    """pip could not provide the packages; `output` is the end of what it said."""

    code = "packages_unavailable"

    def __init__(self, what: str, output: str) -> None:
        super().__init__(f"{what} failed: {output}")
        self.output = output


class TorchNotFoundError(InstallError):
    """torch's CPU build is neither where pip looks nor at the extra index."""

    code = "torch_not_found"

    def __init__(self, requirement: str, index: str) -> None:
        super().__init__(
            f"{requirement} was found neither where pip looks nor at {index}; name an index that "
            "has it with --torch-index URL, or put its wheel into a folder and set PIP_FIND_LINKS "
            "to that folder."
        )


class DigestMismatchError(InstallError):
    """A downloaded file is not the one this release was made for."""

    code = "digest_mismatch"


class SetUpCommandError(InstallError):
    """One of the parts' own set-up commands failed."""

    code = "set_up_failed"

    def __init__(self, command: str, output: str) -> None:
        super().__init__(f"`{command}` failed: {output}")


class SupervisionError(InstallError):
    """The supervisor could not be started, reached or stopped."""

    code = "supervisor_failed"


class NotReadyError(InstallError):
    """A service did not become ready; the sentence says which and where its log lies."""

    code = "service_not_ready"


class StoppedError(InstallError):
    """The services are not running, so that nothing can be asked of them."""

    code = "stopped"
    exit_code = STOPPED


class InstanceRefusedError(InstallError):
    """The instance answered a request with an error; `code` is the instance's own."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.code = code


class GatewayRefusedError(InstallError):
    """The gateway answered a question with an error; `code` is the gateway's own."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.code = code


class UnreachableError(InstallError):
    """No answer came from one of the services."""

    code = "unreachable"
