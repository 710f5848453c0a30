"""Images that the tests make themselves, from the project's own Dockerfiles."""

import base64
import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from install.containers.contexts import Recipe, Wheels
from install.environments import LOCKS
from tests.system.containers.machine import Machine
from tests.system.containers.prepared import NoEngineError, Prepared

CLONE = Path(__file__).parent.parent.parent.parent
STUB = Path(__file__).parent / "stub_vllm.py"
VERSION = b"0"

# What the model server itself needs; their own needs are told apart from a lock that has them all.
MODEL_SERVER_NEEDS = (
    *("annotated-types", "anyio", "certifi", "h11", "httpcore", "httpx", "idna", "pydantic"),
    *("pydantic-core", "pydantic-settings", "python-dotenv", "structlog", "typing-extensions"),
    "typing-inspection",
)


def wheels(prepared: Prepared, lock: Path) -> list[Path]:
    """The wheels of a hashed lock, fetched by pip unless an earlier run did."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = prepared.client_folder.parent / f"wheels-{digest}"
    if not (folder / "complete").exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:", "--dest", str(folder)]
        done = subprocess.run(
            [*command, "-r", str(lock)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            message = f"no wheels for {lock.name}: {done.stderr[-500:]}"
            raise NoEngineError(message)
        (folder / "complete").touch()
    return sorted(folder.glob("*.whl"))


def build(machine: Machine, recipe: Recipe, *, found: Wheels, tag: str) -> None:
    """Builds with the builder that every engine has, and without a network."""
    context = machine.folder / "context.tar"
    with context.open("wb") as tar:
        for block in recipe.context(found, labels={"casemate.tests": "1"}):
            tar.write(block)
    with context.open("rb") as tar:
        done = subprocess.run(
            [
                *("docker", "build", "--quiet", "--network", "none", "--tag", tag),
                *("--build-arg", f"BASE_IMAGE={machine.base_image}", "-"),
            ],
            stdin=tar,
            env=machine.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    context.unlink()
    assert done.returncode == 0, done.stdout + done.stderr


def a_recipe(service: str, folder: str, root: Path = CLONE) -> Recipe:
    """What is built from the Dockerfile in one of the project's folders."""
    dockerfile = root / folder / "Dockerfile"
    return Recipe(service=service, root=root, dockerfile=dockerfile, locks={}, arguments={})


def build_lockdown(machine: Machine, tag: str) -> None:
    """The project's own image, as it is."""
    found = {name: wheels(machine.prepared, LOCKS / f"{name}.lock") for name in ("pip", "lockdown")}
    build(machine, a_recipe("lockdown", "install/lockdown"), found=found, tag=tag)


def build_model_server(machine: Machine, tag: str) -> None:
    """The project's own image but for vLLM, which a stub of a few lines stands in for."""
    root = machine.folder / "model-server"
    locks = root / "install" / "locks"
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CLONE / "model_server", root / "model_server", ignore=leave)
    locks.mkdir(parents=True)
    needed = locks / "needed.lock"
    lines = (LOCKS / "tests.lock").read_text().splitlines()
    needed.write_text("\n".join(x for x in lines if x.split("==")[0] in MODEL_SERVER_NEEDS) + "\n")
    stub, line = _stub_wheel(root)
    for name in ("model-server-cpu", "model-server-cuda"):
        (locks / f"{name}.lock").write_text(needed.read_text() + line)
    found = {
        "pip": wheels(machine.prepared, LOCKS / "pip.lock"),
        "model-server": [*wheels(machine.prepared, needed), stub],
    }
    build(machine, a_recipe("model-server", "model_server", root), found=found, tag=tag)


def _stub_wheel(folder: Path) -> tuple[Path, str]:
    """A wheel that has the module by which vLLM is started, and its line of a lock."""
    about = "vllm-0.dist-info"
    files = {
        "vllm/__init__.py": b"",
        "vllm/entrypoints/__init__.py": b"",
        "vllm/entrypoints/openai/__init__.py": b"",
        "vllm/entrypoints/openai/api_server.py": STUB.read_bytes(),
        f"{about}/METADATA": b"Metadata-Version: 2.1\nName: vllm\nVersion: %s\n" % VERSION,
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_digest(text)},{len(text)}\n" for name, text in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    wheel = folder / "vllm-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return wheel, f"vllm==0 --hash=sha256:{_hash(wheel.read_bytes())}\n"


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _digest(text: bytes) -> str:
    """As a wheel's RECORD has it: URL-safe, without padding."""
    plain = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=")
    return f"sha256={plain.decode()}"
