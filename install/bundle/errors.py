"""What can be wrong with a bundle; each has a stable code, and none leaves anything half done."""

from __future__ import annotations

from install.errors import UNFIT, InstallError

# So many of the paths that share a damaged chunk are named.
NAMED = 3


class BundleError(InstallError):
    """The root of what can be wrong with a bundle itself."""

    code = "bundle_invalid"
    exit_code = UNFIT


class NoBundleError(BundleError):
    """The file cannot be read, or is no bundle at all."""

    code = "not_a_bundle"


class LayoutError(BundleError):
    """A bundle holds something that no bundle of ours holds: a link, a device, a strange name."""

    code = "bundle_layout_invalid"


class TruncatedError(BundleError):
    """The file ends too early."""

    code = "bundle_truncated"


class ManifestError(BundleError):
    """The manifest cannot be used; the sentence says why."""

    code = "manifest_invalid"


class DamagedError(BundleError):
    """A chunk is not the one that the manifest lists; `digest` names it, `paths` what it is of."""

    code = "chunk_damaged"

    def __init__(self, digest: str, paths: tuple[str, ...]) -> None:
        named = ", ".join(paths[:NAMED]) or "the installer"
        more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
        super().__init__(
            f"The chunk {digest} of {named}{more} is damaged; carry the bundle in again."
        )
        self.digest = digest
        self.paths = paths


class TrustError(BundleError):
    """The root of why it is not certain whom a bundle comes from."""

    code = "bundle_untrusted"


class UnsignedError(TrustError):
    """Nobody signed the bundle."""

    code = "bundle_unsigned"


class SignatureError(TrustError):
    """A signature is not one of the key that it should be of."""

    code = "signature_invalid"


class SignerError(TrustError):
    """What a bundle says about its signer cannot be."""

    code = "signer_invalid"


class SignerUnknownError(TrustError):
    """The signer is not the one that this box trusts, nor one that it appointed."""

    code = "signer_unknown"


class SignerExpiredError(TrustError):
    """The signer's time is over."""

    code = "signer_expired"


class SignerNotYetValidError(TrustError):
    """The signer's time has not come, or this machine's clock is behind."""

    code = "signer_not_yet_valid"


class TrustNotConfirmedError(TrustError):
    """This would be the first bundle, and nobody said that its signer is the right one."""

    code = "trust_not_confirmed"


class TrustDamagedError(BundleError):
    """The file that says whom this box trusts cannot be read."""

    code = "trust_damaged"


class TrustUnreadableError(BundleError):
    """This user may not read the file that says whom this box trusts."""

    code = "trust_unreadable"


class OpenSSLError(InstallError):
    """The program openssl is missing, too old, or failed."""

    code = "openssl_unusable"
    exit_code = UNFIT


class TemporaryFolderError(InstallError):
    """What openssl is to read cannot be written for it."""

    code = "temporary_folder_unusable"
    exit_code = UNFIT


class SigningKeyError(InstallError):
    """A folder does not hold a signing key that can be used, or holds one already."""

    code = "signing_key_unusable"
    exit_code = UNFIT


class BeingWrittenError(BundleError):
    """Another program writes the same bundle right now."""

    code = "bundle_being_written"


class SourceChangedError(InstallError):
    """A file is not the one any more that was described."""

    code = "source_changed"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed while the bundle was written; begin the build again.")
