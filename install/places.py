"""Where everything lies under one home, and the short private folder of its socket."""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from install.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The files and folders of one appliance."""

    home: Path
    uid: int

    @property
    def config(self) -> Path:
        """What `up` was told; mode 0600."""
        return self.home / "config.json"

    @property
    def lock(self) -> Path:
        """Held by whoever sets up or stops the appliance."""
        return self.home / "install.lock"

    @property
    def pointer(self) -> Path:
        """A link to the slot in use; there once a bundle was applied."""
        return self.home / "slot"

    @property
    def slots(self) -> Path:
        """What bundles bring in lies here, in two folders that take turns."""
        return self.home / "slots"

    @property
    def slot(self) -> Path:
        """The program in use: what the pointer names, else what `up` made from a clone."""
        if self.pointer.is_symlink():
            return self.home / self.pointer.readlink()
        return self.home / "envs"

    @property
    def packages(self) -> Path:
        """Environments that slots stand on, one for each lock, never changed once they are made."""
        return self.home / "packages"

    @property
    def services(self) -> Path:
        """The environment of instance, gateway and command line."""
        return self.slot / "services"

    @property
    def model_server(self) -> Path:
        """The environment of the model server."""
        return self.slot / "model-server"

    @property
    def wheels(self) -> Path:
        """The product's own wheel, with the digests of the sources it was built from."""
        return self.slot / "wheels"

    @property
    def trust(self) -> Path:
        """Whose bundles this box takes."""
        return self.home / "trust.json"

    @property
    def receipts(self) -> Path:
        """One signed file for each bundle that came in."""
        return self.home / "receipts"

    @property
    def backups(self) -> Path:
        """Encrypted backups, unless they are told to go elsewhere; mode 0700."""
        return self.home / "backups"

    @property
    def backup_schedule(self) -> Path:
        """How often a backup is made; there when one is made by the clock."""
        return self.home / "backup.json"

    @property
    def trial(self) -> Path:
        """The home of a moment in which a backup is tried."""
        return self.home / ".backup-test"

    @property
    def models(self) -> Path:
        """Weights, one folder for each model."""
        return self.home / "models"

    @property
    def credentials(self) -> Path:
        """The admin's generated password and token; mode 0700."""
        return self.home / "credentials"

    @property
    def model_state(self) -> Path:
        """What the model server is told and what it says."""
        return self.home / "model_server"

    @property
    def tls(self) -> Path:
        """The keys of the local authority and of the services' certificates; mode 0700."""
        return self.home / "keys" / "tls"

    def certificate(self, service: str) -> Path:
        """A service's key and certificates in one file, so that they are replaced as one."""
        return self.tls / f"{service}.pem"

    @property
    def egress(self) -> Path:
        """What the services refused to let leave the machine, a file for each; mode 0700."""
        return self.home / "egress"

    @property
    def authorities(self) -> Path:
        """Whom this appliance and its clients believe; everybody may read it."""
        return self.home / "ca.crt"

    @property
    def logs(self) -> Path:
        """The services' logs."""
        return self.home / "logs"

    @property
    def containers(self) -> Path:
        """What the containers are made from and with; mode 0700."""
        return self.home / "containers"

    @property
    def filled_containers(self) -> Path:
        """There once the containers' volumes hold something."""
        return self.containers / "filled"

    @property
    def filled_processes(self) -> Path:
        """There once the processes' database holds something."""
        return self.home / "keys" / "master.key"

    @property
    def run(self) -> Path:
        """What holds only while the services run; mode 0700."""
        return self.home / "run"

    @property
    def socket_folder(self) -> Path:
        """Short, because a socket's path may have 107 bytes; found again from the home alone."""
        digest = hashlib.sha256(bytes(self.home)).hexdigest()[:12]
        if self.uid == 0 and Path("/run").is_dir():
            return Path("/run") / f"casemate-{digest}"
        # The folder's owner and mode are checked before anything is put there.
        return Path("/tmp") / f"casemate-{self.uid}-{digest}"  # noqa: S108

    @property
    def socket(self) -> Path:
        """Where the supervisor is spoken to."""
        return self.socket_folder / "supervisor.sock"


def make_folders(places: Places) -> None:
    """Makes the home's folders; those that hold secrets are for their owner only."""
    places.home.mkdir(parents=True, exist_ok=True)
    for folder in (places.logs, places.models, places.services.parent):
        folder.mkdir(exist_ok=True)
    for folder in (places.run, places.credentials, places.model_state, places.home / "gateway"):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    for folder in (places.home / "keys", places.tls, places.home / "instance", places.egress):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)


def make_socket_folder(places: Places) -> Path:
    """Makes the socket's folder, or checks that the one there is ours alone.

    Raises:
        SettingError: somebody else made it, or others may enter it.
    """
    folder = places.socket_folder
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
    if found.st_uid != places.uid or not private:
        sentence = f"{folder} belongs to somebody else or is open to others; remove it."
        raise SettingError(sentence)
    return folder
