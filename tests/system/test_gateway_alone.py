"""The gateway runs with none of the instance's code, and none of its libraries, installed."""

import re
import shutil
import subprocess
import venv
from pathlib import Path

from install.environments import BUILD_FILES
from tests.system.driver import CLONE

LOADS = "import gateway.__main__, gateway.app, sys; print(sorted(sys.modules))"


def test_it_installs_and_loads_on_its_own(tmp_path: Path) -> None:
    lock = (CLONE / "install" / "locks" / "services.lock").read_text()
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(re.findall(r"^[a-z0-9-]+==\S+", lock, re.MULTILINE)))
    source = tmp_path / "source"
    source.mkdir()
    for name in BUILD_FILES:
        shutil.copy(CLONE / name, source)
    # Only this package: a distribution of the gateway alone has no other to import by mistake.
    shutil.copytree(CLONE / "gateway", source / "gateway")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = ["-m", "pip", "install", "-q", "-c", str(constraints), f"{source}[gateway]"]
    subprocess.run([python, *install], check=True, cwd=tmp_path, timeout=300)
    done = subprocess.run(
        [python, "-c", LOADS], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    for other in ("appliance", "sqlmodel", "sqlalchemy", "vllm", "typer"):
        assert f"'{other}'" not in done.stdout
