"""The model that the containers serve: its folder on this machine, and the starter model's."""

import hashlib
import json
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from install import environments, weights
from install.config import write_private
from install.environments import Environment
from install.errors import ModelFolderError, SetUpCommandError
from install.places import Places
from install.progress import Step, size
from install.weights import Model

INSIDE = "/var/lib/casemate/models"
CONVERT = "model_server convert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """Makes the starter model with the model server's image, in a container without a network."""

    client: docker.DockerClient
    image: str
    builder: Environment
    is_rootless: bool

    def make_ready(self, model: Model, step: Step) -> str:
        """Makes the starter model where it is missing; returns what came of it, for people."""
        made = False
        if model.is_demonstration and not (model.path / "config.json").is_file():
            made = True
            scratch = model.path.parent / ".download"
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            try:
                weights.fetch_starter(self.builder, scratch, step)
                step.detail = "converting GGUF to safetensors"
                self._convert(scratch, model.ref)
                (scratch / model.ref).replace(model.path)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        total = size(environments.folder_bytes(model.path))
        return f"{model.ref}, {total}, {'new' if made else 'as it was'}"

    def _convert(self, scratch: Path, ref: str) -> None:
        # Files that the container writes are then this user's; a rootless engine's root is.
        user = "0:0" if self.is_rootless else f"{os.getuid()}:{os.getgid()}"
        words = ["python3", "-m", "model_server", "convert", "/model/starter.gguf", f"/model/{ref}"]
        try:
            container = self.client.containers.run(
                self.image,
                words,
                detach=True,
                entrypoint=[],
                user=user,
                volumes={str(scratch): {"bind": "/model", "mode": "rw"}},
                network_mode="none",
                read_only=True,
                tmpfs={"/tmp": "size=256m"},  # noqa: S108  # inside the container
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
                init=True,
            )
            try:
                status = container.wait()["StatusCode"]
                said = container.logs(tail=5).decode("utf-8", "replace")
            finally:
                container.remove(force=True)
        except DockerException as cause:
            raise SetUpCommandError(CONVERT, " ".join(str(cause).split())[-600:]) from cause
        if status != 0:
            raise SetUpCommandError(CONVERT, " ".join(said.split())[-600:])


def check_folder(folder: Path) -> None:
    """Passes a folder that the model server's user can read as it is mounted, by itself.

    Raises:
        ModelFolderError: it is gone, something in it lies elsewhere, or is not for everybody to
            read.
    """
    if not folder.is_dir():
        sentence = f"{folder} is not there any more; what came in a bundle, the bundle brings back."
        raise ModelFolderError(sentence)
    top = folder.resolve()
    for path in [top, *sorted(top.rglob("*"))]:
        if not path.resolve().is_relative_to(top):
            sentence = (
                f"{path} is a link out of the folder, where a container cannot follow; "
                f"copy the model with `cp -rL {folder} NEW` and name the copy."
            )
            raise ModelFolderError(sentence)
        needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        if path.stat().st_mode & needed != needed:
            sentence = (
                f"{path} is not readable for others, and the container's user is one; "
                f"allow it with `chmod -R o+rX {folder}`."
            )
            raise ModelFolderError(sentence)


def write(places: Places, model: Model) -> dict[str, str]:
    """Tells the model server what to serve; returns the variables that name it.

    The list's name has its digest, so that another list is another mount and compose sees it.
    """
    spec = {
        "ref": model.ref,
        "path": INSIDE,
        "family": model.family,
        "context_tokens": model.context_tokens,
    }
    text = json.dumps([spec], indent=2) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = places.containers / f"models-{digest}.json"
    for old in places.containers.glob("models-*.json"):
        if old != path:
            old.unlink()
    if not path.exists():
        write_private(path, text)
        # The container's user reads it; the folder around it is for its owner only.
        path.chmod(0o644)
    return {"CASEMATE_MODELS": str(model.path), "CASEMATE_MODELS_FILE": str(path)}
