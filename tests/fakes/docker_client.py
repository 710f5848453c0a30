"""What the stand-in for the program `docker` does beside compose: images, volumes, a container."""

import hashlib
import io
import json
import tarfile
from typing import Any, Protocol


class Holder(Protocol):
    """The engine behind it."""

    images: dict[str, dict[str, Any]]
    volumes: set[str]
    in_use: set[str]
    broken: dict[str, tuple[int, str]]

    def set_up(self, words: list[str], stdin: str) -> dict[str, Any]: ...


def said(out: str = "", *, err: str = "", code: int = 0) -> dict[str, Any]:
    return {"out": out, "err": err, "code": code}


def answer(engine: Holder, words: list[str], stdin: str) -> dict[str, Any]:
    """The answer to `docker WORDS`."""
    if words[0] in engine.broken:
        code, err = engine.broken[words[0]]
        return said(err=err, code=code)
    match words:
        case ["image", *rest]:
            return _image(engine, rest)
        case ["load", *_]:
            _load(engine, stdin.encode("utf-8", "surrogateescape"))
        case ["volume", "inspect", name]:
            return said(code=0 if name in engine.volumes else 1)
        case ["run", *rest]:
            return engine.set_up(rest[rest.index("-m") + 1 :] if "-m" in rest else rest, stdin)
        case _:
            pass
    return said()


def _image(engine: Holder, words: list[str]) -> dict[str, Any]:
    match words:
        case ["inspect", *_, name]:
            found = _find(engine, name)
            return said(json.dumps(engine.images[found])) if found else _no_such(name)
        case ["rm", name]:
            return _remove(engine, name)
        case ["tag", name, other]:
            return _tag(engine, name, other)
        case _:
            return said()


def _remove(engine: Holder, name: str) -> dict[str, Any]:
    found = _find(engine, name)
    if found is None:
        return _no_such(name)
    if found in engine.in_use:
        return said(err="conflict: image is being used by running container", code=1)
    image = engine.images.pop(found)
    image["RepoTags"] = [each for each in image["RepoTags"] if each != found]
    return said()


def _tag(engine: Holder, name: str, other: str) -> dict[str, Any]:
    found = _find(engine, name)
    if found is None:
        return _no_such(name)
    image = engine.images[found]
    _unname(engine, other)
    engine.images[other] = image
    image["RepoTags"] = [*image["RepoTags"], other]
    return said()


def _unname(engine: Holder, tag: str) -> None:
    """What has lost its last name to another image stays, known by its identity."""
    image = engine.images.pop(tag, None)
    if image is not None:
        image["RepoTags"] = [each for each in image["RepoTags"] if each != tag]
        if not image["RepoTags"]:
            engine.images[image["Id"]] = image


def _find(engine: Holder, name: str) -> str | None:
    return next((tag for tag, each in engine.images.items() if name in {tag, each["Id"]}), None)


def _no_such(name: str) -> dict[str, Any]:
    return said(err=f"Error: No such image: {name}", code=1)


def _load(engine: Holder, content: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        (listed,) = json.loads(_content(archive, "manifest.json"))
        config = _content(archive, listed["Config"])
    identity = f"sha256:{hashlib.sha256(config).hexdigest()}"
    layers = json.loads(config)["rootfs"]["diff_ids"]
    for tag in listed["RepoTags"]:
        _unname(engine, tag)
        engine.images[tag] = {
            "Id": identity,
            "RepoTags": [tag],
            "Labels": {},
            "RootFS": {"Layers": layers},
        }


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    assert found is not None
    return found.read()
