"""An authority and its certificates in files, as an organisation or an appliance has them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from install.tls.issuing import Authority

NOW = datetime.now(UTC).replace(microsecond=0)


def write_private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


@dataclass(frozen=True, slots=True)
class Organisation:
    """Files under one folder; each certificate's key lies beside it."""

    folder: Path
    authority: Authority

    @classmethod
    def make(cls, folder: Path, *, now: datetime = NOW) -> "Organisation":
        folder.mkdir(exist_ok=True)
        made = cls(folder, Authority.make(now=now))
        made.ca.write_text(made.authority.bundle())
        return made

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def issue(
        self, name: str, *names: str, now: datetime = NOW, folder: Path | None = None
    ) -> tuple[Path, Path]:
        """The files of a certificate and its key; the same text again for the same moment."""
        text = self.authority.issue(names or (name,), now=now)
        key, _, certificate = text.partition("-----BEGIN CERTIFICATE")
        where = folder or self.folder
        cert = where / f"{name}.crt"
        cert.write_text(f"-----BEGIN CERTIFICATE{certificate}")
        return cert, write_private(where / f"{name}.key", key)

    def issue_whole(self, path: Path, *names: str, now: datetime = NOW) -> Path:
        """Key and certificate in one file, which is replaced as one."""
        fresh = path.with_suffix(".new")
        write_private(fresh, self.authority.issue(names or ("localhost", "127.0.0.1"), now=now))
        return fresh.replace(path)


LONG_AGO = NOW - timedelta(days=400)
