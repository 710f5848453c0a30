import json
import re
from typing import Any

from install.building import parts
from install.building.wheels import About
from install.bundle.manifest import (
    CarriedImage,
    CarriedModel,
    Chunk,
    Entry,
    Installer,
    Manifest,
)

TYPES = {"application", "library", "container", "file", "machine-learning-model"}
WHEEL = "wheels/services/one_thing-1.0+cpu-py3-none-any.whl"
ABOUT = About(
    name="one-thing", version="1.0+cpu", licence="MIT OR BSD", is_expression=True, texts=()
)


def an_entry(path: str, digit: str) -> Entry:
    digest = digit * 64
    return Entry(path=path, digest=digest, size=1, chunks=(Chunk(digest=digest, size=1),))


def a_manifest() -> Manifest:
    return Manifest(
        release="0.2.0",
        schema_generation=1,
        architecture="x86_64",
        python="3.11",
        made_at="2026-01-01T00:00:00Z",
        devices=("cpu",),
        entries=(
            an_entry("docs/README.md", "a"),
            an_entry("images/instance.tar", "b"),
            an_entry("models/small/config.json", "c"),
            an_entry(WHEEL, "d"),
            an_entry(WHEEL.replace("services", "model-server-cpu"), "d"),
        ),
        models=(
            CarriedModel(
                ref="small",
                name="Small",
                family="general",
                context_tokens=None,
                folder="models/small",
                digest="e" * 64,
            ),
        ),
        images=(
            CarriedImage(
                service="instance",
                tag="casemate/instance:0.2.0-abc",
                identity=f"sha256:{'f' * 64}",
                path="images/instance.tar",
            ),
        ),
        installer=Installer(digest="1" * 64, size=1),
    )


def listed() -> dict[str, Any]:
    packages = {WHEEL: ABOUT, WHEEL.replace("services", "model-server-cpu"): ABOUT}
    found: dict[str, Any] = json.loads(parts.to_bytes(a_manifest(), packages))
    return found


def components(found: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [each for one in found["components"] for each in one.get("components", [])]
    return [*found["components"], *inner]


def test_it_has_what_the_specification_requires() -> None:
    found = listed()
    assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.6", 1)
    pattern = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    assert re.fullmatch(pattern, found["serialNumber"])
    for each in [found["metadata"]["component"], *components(found)]:
        assert each["type"] in TYPES
        assert each["name"]
        assert all(re.fullmatch("[0-9a-f]{64}", x["content"]) for x in each.get("hashes", []))
        assert {x["alg"] for x in each.get("hashes", [])} <= {"SHA-256"}


def test_references_stand_once() -> None:
    references = [each["bom-ref"] for each in components(listed())]
    assert len(set(references)) == len(references)


def test_a_package_that_lies_twice_is_one_part() -> None:
    (package,) = [each for each in listed()["components"] if each["type"] == "library"]
    assert package["purl"] == "pkg:pypi/one-thing@1.0%2Bcpu"
    assert package["licenses"] == [{"expression": "MIT OR BSD"}]
    assert [each["value"] for each in package["properties"]] == [
        WHEEL,
        WHEEL.replace("services", "model-server-cpu"),
    ]


def test_models_images_files_and_the_installer_are_parts() -> None:
    found = {each["bom-ref"]: each for each in listed()["components"]}
    assert found[f"model:small@{'e' * 12}"]["components"][0]["name"] == "models/small/config.json"
    assert found["image:instance"]["hashes"][0]["content"] == "f" * 64
    assert found["file:docs/README.md"]["hashes"][0]["content"] == "a" * 64
    assert found["installer"]["hashes"][0]["content"] == "1" * 64
    assert "file:images/instance.tar" not in found


def test_the_serial_number_comes_from_the_parts() -> None:
    assert listed()["serialNumber"] == listed()["serialNumber"]
    other = parts.to_bytes(a_manifest(), {})
    assert json.loads(other)["serialNumber"] != listed()["serialNumber"]
