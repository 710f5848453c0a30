"""Secrets and first contents: made here or in containers of a moment, never in an argument."""

import base64
import hashlib
import secrets
import subprocess

from install import contents
from install.config import write_private
from install.containers.errors import ComposeError
from install.containers.project import Project, secrets_folder
from install.containers.states import Container, Containers
from install.contents import Contents, Site
from install.demo_licence import ToOrder
from install.places import Places
from install.weights import Model

MASTER_KEY_BYTES = 32
INSTANCE_URL = "http://instance.inside:8080"
MODEL_URL = "http://model-server.inside:8000/v1"
CREDENTIALS = "/var/lib/casemate/credentials"
SITE = Site(
    password_file=f"{CREDENTIALS}/admin_password",
    token_file=f"{CREDENTIALS}/admin_token",
    api_key_file="/run/secrets/model_api_key",
    instance_url=INSTANCE_URL,
    model_url=MODEL_URL,
)


def make_folders(places: Places) -> None:
    """Makes the folders that only containers need; for their owner only."""
    for folder in (places.containers, secrets_folder(places)):
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)


def make_secrets(places: Places) -> list[str]:
    """Makes each secret once; returns the names of the new ones.

    Compose mounts them with their owner and mode of here, so that the mode must let the container's
    user read them; nobody else here gets into the folder.
    """
    made = {
        "master_key": base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode() + "\n",
        "model_api_key": secrets.token_urlsafe(32),
        "postgres_password": secrets.token_urlsafe(32),
    }
    new = []
    for name, text in made.items():
        path = secrets_folder(places) / name
        if not path.exists():
            # Its mode is right before it gets its name: a power cut leaves none that nobody reads.
            draft = path.with_name(f".{name}")
            write_private(draft, text)
            draft.chmod(0o444)
            draft.replace(path)
            new.append(name)
    return new


class Filler:
    """Runs the parts' set-up commands in containers."""

    def __init__(self, places: Places, project: Project, containers: Containers) -> None:
        self._places = places
        self._project = project
        self._containers = containers

    def fill(self, model: Model, *, images: dict[str, str], to_order: ToOrder) -> Contents:
        """The gateway's keys, the first rows, the registration; nothing is ever made twice.

        Raises:
            SetUpCommandError: one of the commands failed.
        """
        self._places.filled_containers.touch()
        running = self._containers.services()

        def run(service: str, words: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
            there = running.get(service)
            if there and there.status == "running" and there.image == images[service]:
                return self._project.execute(service, words, stdin)
            return self._project.set_up(service, words, stdin)

        return contents.set_up(run, SITE, model, to_order=to_order)

    def pin_is_new(self, done: Contents) -> bool:
        """Whether the gateway was given another instance to trust than the last time; remembers."""
        path = self._places.containers / "pin.sha256"
        digest = hashlib.sha256(done.pin.encode()).hexdigest()
        before = path.read_text("ascii") if path.exists() else None
        write_private(path, digest)
        return before not in {None, digest}

    def copy_credentials(self, instance: Container) -> None:
        """Copies the admin's password and token out of the instance's volume, mode 0600.

        The password is copied once, and may be removed here when it was noted; the token, which
        this program needs, whenever it is missing.

        Raises:
            ComposeError: the instance has none.
        """
        mark = self._places.containers / "credentials-copied"
        for path, inside in (
            (contents.password_file(self._places), SITE.password_file),
            (contents.token_file(self._places), SITE.token_file),
        ):
            if path.exists() or (mark.exists() and inside == SITE.password_file):
                continue
            found = self._containers.read_file(instance, inside)
            if found is None:
                what = "cp"
                raise ComposeError(what, f"{inside} is not in the instance's volume")
            write_private(path, found.decode("utf-8"))
        mark.touch()
