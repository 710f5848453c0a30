"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("appliance", "gateway", "model_server", "install")
BANNED = {"utils", "helpers", "common", "shared", "base", "core", "misc"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Test modules that mirror no module: they hold a whole package or the house itself to something.
WITHOUT_MIRROR = {"conftest", "__init__", "builders"}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_over_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if (lines := len(path.read_text().splitlines())) > MAX_FILE_LINES
    }
    assert not long


def test_no_function_is_over_60_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in tracked("*.py")
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long


def test_no_module_has_a_name_that_says_nothing() -> None:
    named = [path for path in tracked("*.py") if BANNED & {path.stem, path.parent.name}]
    assert not named


def test_every_test_module_mirrors_a_module_or_folder() -> None:
    strangers = []
    for path in tracked(*(f"tests/{package}/*.py" for package in PACKAGES)):
        inside = path.relative_to(ROOT / "tests")
        if inside.stem in WITHOUT_MIRROR:
            continue
        name = inside.stem.removeprefix("test_")
        module, folder = ROOT / inside.parent / f"{name}.py", ROOT / inside.parent / name
        if not (
            module.is_file()
            or folder.is_dir()
            or (ROOT / inside.parent / f"__{name}__.py").is_file()
        ):
            strangers.append(str(inside))
    assert not strangers


def test_few_type_ignores_and_each_with_its_code() -> None:
    sources = [path.read_text() for package in PACKAGES for path in tracked(f"{package}/*.py")]
    lines = sum(len(text.splitlines()) for text in sources)
    ignores = [line for text in sources for line in text.splitlines() if "# type: ignore" in line]
    assert all(re.search(r"# type: ignore\[[a-z-]+\]  # \w", line) for line in ignores)
    assert len(ignores) <= max(2, 2 * lines // 1000)


def test_nothing_names_a_machine_or_a_registry() -> None:
    machine = re.compile(r"(^|[^A-Za-z0-9_.-])/(work|farm|root|opt)/")
    registry = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|index-url[ =]+['\"]?https?:")
    named = []
    for path in tracked("*.py", "*.md", "*.toml", "*.lock", "*.in", "*.yaml", "*.html", ".ci/*"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if machine.search(line) or registry.search(line):
                named.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not named


def test_the_torch_index_is_named_in_one_place() -> None:
    naming = [path for path in tracked() if b"download.pytorch.org" in path.read_bytes()]
    naming.remove(Path(__file__))
    assert [path.relative_to(ROOT).parts[0] for path in naming] in (["install"], [])


def test_containers_name_this_release() -> None:
    release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    named = {
        path.relative_to(ROOT): set(re.findall(r"VERSION(?::-|=)([0-9][\w.]*)", path.read_text()))
        for path in tracked("compose.yaml", "*/compose.*.yaml", "*Dockerfile")
    }
    assert len(named) == 8
    assert all(releases == {release} for releases in named.values()), named


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_folder_is_seen_by_the_import_checks(package: str) -> None:
    folders = {path.parent for path in tracked(f"{package}/*.py", f"{package}/**/*.py")}
    without = [folder for folder in folders if not (folder / "__init__.py").is_file()]
    assert not without


def test_no_test_says_which_processes_belong_to_a_home() -> None:
    """With another answer to that, a stop would end what the developer runs."""
    patched = re.compile(r"(setattr|patch)\(\s*\(?\s*(\"install\.processes|processes\b)")
    found = [path for path in tracked("tests/**/*.py") if patched.search(path.read_text())]
    found = [path for path in found if path != Path(__file__)]
    assert not found
