"""Manifests as preflight reads them; the content of their entries is nobody's."""

from collections.abc import Mapping, Sequence

from install.bundle.manifest import CarriedImage, CarriedModel, Chunk, Entry, Installer, Manifest

DIGEST = "ab" * 32
WHEELS = {
    "locks/services.lock": 10,
    "locks/model-server-cpu.lock": 10,
    "wheels/services/a-1-py3-none-any.whl": 1_000,
    "wheels/model-server-cpu/b-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl": 2_000,
}


def a_model(ref: str = "tiny") -> CarriedModel:
    return CarriedModel(
        ref=ref,
        name=ref,
        family="general",
        context_tokens=None,
        folder=f"models/{ref}",
        digest=DIGEST,
    )


def a_manifest(
    sizes: Mapping[str, int] = WHEELS,
    *,
    models: Sequence[CarriedModel] = (),
    images: Sequence[CarriedImage] = (),
    devices: Sequence[str] = ("cpu",),
    made_at: str = "2026-10-01T00:00:00Z",
    architecture: str = "x86_64",
) -> Manifest:
    entries = (
        Entry(path=path, digest=DIGEST, size=size, chunks=(Chunk(digest=DIGEST, size=size),))
        for path, size in sorted(sizes.items())
    )
    return Manifest(
        release="0.2.0",
        schema_generation=1,
        architecture=architecture,
        python="3.11",
        made_at=made_at,
        devices=tuple(devices),
        entries=tuple(entries),
        models=tuple(models),
        images=tuple(images),
        installer=Installer(digest=DIGEST, size=1),
    )
