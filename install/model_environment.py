"""The environment that vLLM runs in: which build, and where torch's CPU build comes from."""

import shutil
from pathlib import Path

from install import environments
from install.environments import LOCKS, Environment
from install.errors import PackagesError, TorchNotFoundError
from install.places import Places
from install.progress import Step, size

# The PyTorch project's own index of its CPU builds, which ordinary indexes do not carry.
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def model_environment(places: Places, *, device: str) -> Environment:
    """The model server's environment for `cpu` or `cuda`."""
    lock = LOCKS / f"model-server-{device}.lock"
    return Environment(folder=places.model_server, lock=lock, scratch=places.logs)


def make(
    places: Places, builder: Environment, step: Step, *, device: str, torch_index: str | None
) -> str:
    """Makes it where needed; returns what came of it, for people.

    `builder` is an environment with a working pip, the services' own.

    Raises:
        TorchNotFoundError: before anything else is downloaded.
    """
    environment = model_environment(places, device=device)
    made = False
    if not environment.follows_lock():
        downloads = places.model_server.parent / "downloads"
        if device == "cpu":
            step.detail = "looking for torch's CPU build"
            fetch_torch(environment.lock, builder, downloads, index=torch_index)
        made = environments.make(
            environment, step, find_links=downloads if device == "cpu" else None
        )
        shutil.rmtree(downloads, ignore_errors=True)
    step.detail = "the product itself"
    changed = environments.put_wheel(environment, places.wheels)
    total = size(environments.folder_bytes(environment.folder))
    state = "new" if made else "new sources" if changed else "as it was"
    return f"{total}, {device} build, {state}"


def torch_line(lock: Path) -> str:
    """The lock's line for torch, hash included."""
    lines = lock.read_text("utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))


def fetch_torch(lock: Path, builder: Environment, downloads: Path, *, index: str | None) -> None:
    """Puts torch's wheel into `downloads`: from where pip finds it by itself, else from `index`.

    Only this one package is ever asked of the extra index, so that it cannot offer others.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    line = torch_line(lock)
    wanted = downloads / "torch.txt"
    wanted.write_text(f"{line}\n", "utf-8")
    command = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--dest", str(downloads), "-r", str(wanted)]
    try:
        environments.run_pip(builder, command, "Fetching torch")
    except PackagesError as first:
        if "No matching distribution" not in first.output:
            raise
        used = index or TORCH_CPU_INDEX
        more = ["--retries", "1", "--extra-index-url", used]
        try:
            environments.run_pip(builder, command + more, "Fetching torch")
        except PackagesError as cause:
            raise TorchNotFoundError(line.split()[0], used) from cause
