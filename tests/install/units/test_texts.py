import subprocess
from pathlib import Path

import pytest

from install.config import Config
from install.places import Places
from install.services import Service
from install.units import texts
from tests.install.units.conftest import a_site, planned

# What `systemd-analyze security` says at most; 10 is a unit without any hardening.
MOST_EXPOSED = {"renewal": 3.0, "recover": 3.0}
MOST_EXPOSED_SERVICE = 2.0
WIDE = Config(systemd=True, listen="0.0.0.0", tls=True, instance_port=443)  # noqa: S104  # no socket


def written(places: Places, folder: Path, config: Config, device: str = "cpu") -> list[Path]:
    found = texts.texts(a_site(places, config, device=device), planned(places, config), version=252)
    for name, text in found.items():
        (folder / name).write_text(text)
    return [folder / name for name in found]


@pytest.mark.parametrize(("config", "device"), [(Config(systemd=True), "cpu"), (WIDE, "cuda")])
def test_systemd_has_nothing_to_say_about_the_units(
    slotted: Places, tmp_path: Path, config: Config, device: str
) -> None:
    paths = written(slotted, tmp_path, config, device)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("config", "device"), [(Config(systemd=True), "cpu"), (WIDE, "cuda")])
def test_each_unit_is_little_exposed(
    slotted: Places, tmp_path: Path, config: Config, device: str
) -> None:
    for path in written(slotted, tmp_path, config, device):
        if path.suffix != ".service":
            continue
        name = path.stem.removeprefix(f"{texts.names_of(slotted).prefix}-")
        most = MOST_EXPOSED.get(name, MOST_EXPOSED_SERVICE)
        words = ["systemd-analyze", "security", "--offline=true", f"--threshold={most * 10:.0f}"]
        done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (name, done.stdout.splitlines()[-1])


def test_what_boots_is_what_the_pointer_names(slotted: Places) -> None:
    found = texts.texts(a_site(slotted), planned(slotted, Config()), version=252)
    names = texts.names_of(slotted)
    program = f'ExecStart="{slotted.home}/slot/services/bin/python" -P -m gateway serve\n'
    assert program in found[names.service("gateway")]


def test_units_are_called_after_the_home_unless_it_is_the_default() -> None:
    plain = texts.names_of(Places(home=Path("/var/lib/casemate"), uid=0))
    other = texts.names_of(Places(home=Path("/srv/casemate"), uid=0))
    assert plain.service("gateway") == "casemate-gateway.service"
    assert other.prefix.startswith("casemate-")
    assert other.target != plain.target


def test_a_home_from_a_clone_has_nothing_to_mend_at_boot(tmp_path: Path) -> None:
    places = Places(home=tmp_path, uid=0)
    found = texts.texts(a_site(places), planned(places, Config()), version=252)
    assert not [name for name in found if "recover" in name]


@pytest.mark.parametrize(("version", "grows"), [(253, False), (254, True)])
def test_the_pause_before_a_restart_grows_where_systemd_can(
    slotted: Places, version: int, *, grows: bool
) -> None:
    found = texts.texts(a_site(slotted), planned(slotted, Config()), version=version)
    text = found[texts.names_of(slotted).service("instance")]
    assert ("RestartSteps=" in text) == grows


def test_the_environment_is_quoted_as_systemd_reads_it(slotted: Places) -> None:
    service = Service(
        name="instance",
        command=("/bin/true",),
        environment={"CASEMATE_HOME": "/srv", "CASEMATE_DATABASE_URL": 'p"a$s`s\\ word'},
        address="",
        log=slotted.logs / "instance.log",
    )
    text = texts.environment_text(service, {"HOME": "/root", "LANG": "C.UTF-8"})
    assert 'CASEMATE_DATABASE_URL="p\\"a\\$s\\`s\\\\ word"\n' in text
    assert "HOME=" not in text.replace("CASEMATE_HOME=", "")
    assert 'LANG="C.UTF-8"\n' in text
