"""Whether this machine's memory and drivers do for the models that a bundle carries."""

import re
from collections.abc import Iterable, Sequence

from install.bundle.manifest import CarriedModel, Manifest
from install.preflight.findings import Finding
from install.preflight.fit import Figures, Memory, fit
from install.preflight.probes import Gpu
from install.preflight.system import numbers

# The first driver for each major version of CUDA, as NVIDIA's release notes have it; a driver
# runs every later build of the same major version.
FIRST_DRIVERS = {11: (450, 80), 12: (525, 60), 13: (580,)}
RUNTIME = re.compile(r"nvidia_cuda_runtime(?:_cu\d+)?-(\d+)\.")


def driver(manifest: Manifest, found: Sequence[Gpu]) -> Finding:
    """Whether the driver can run the CUDA version that the bundle's packages were built with."""
    if not found:
        problem = (
            "cuda is to be used, and nvidia-smi shows no GPU; install NVIDIA's driver, or give "
            "--device cpu."
        )
        return Finding(name="GPU driver", found="none", problems=(problem,))
    version = found[0].driver
    cuda = cuda_version(each.path for each in manifest.below("wheels/model-server-cuda"))
    needed = FIRST_DRIVERS.get(cuda or 0, ())
    problem = (
        f"The GPU's driver is {version}; the bundle's packages are of CUDA {cuda}, which needs "
        f"{'.'.join(map(str, needed))} or newer."
    )
    is_old = numbers(version) < needed
    names = ", ".join(f"{each.index}: {each.name}" for each in found)
    return Finding(
        name="GPU driver", found=f"{version} ({names})", problems=(problem,) if is_old else ()
    )


def cuda_version(wheels: Iterable[str]) -> int | None:
    """CUDA's major version, as the name of its runtime's wheel has it."""
    found = (RUNTIME.search(each) for each in wheels)
    return next((int(each[1]) for each in found if each), None)


def models(manifest: Manifest, memory: Memory) -> tuple[Finding, ...]:
    """Whether the model that will be served fits; of the others it is only told."""
    found = []
    for number, model in enumerate(manifest.models):
        judged = fit(Figures(weights_bytes=weights_bytes(manifest, model)), memory)
        sentence = f"The model {model.ref} does not fit: {judged.sentence}."
        wrong = () if judged.is_good else (sentence,)
        is_served = number == 0
        found.append(
            Finding(
                name=f"model {model.ref}",
                found=judged.sentence,
                problems=wrong if is_served else (),
                warnings=() if is_served else wrong,
            )
        )
    return tuple(found)


def weights_bytes(manifest: Manifest, model: CarriedModel) -> int:
    """The size of a carried model's weight files."""
    entries = manifest.below(model.folder)
    return sum(each.size for each in entries if each.path.endswith(".safetensors"))
