"""What is to be built, and from what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from install.places import Places

SERVICES = "services"
MODEL_SERVERS = {
    "cpu": ("cpu",),
    "cuda": ("cuda",),
    "both": ("cpu", "cuda"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One bundle; what is fetched and made for it is kept in `work` for the next.

    `models` are folders of weights, and None stands for the starter model. `ready` is where a
    starter model may lie that `up` made here.
    """

    clone: Path
    uid: int
    work: Path
    out: Path
    key: Path
    devices: tuple[str, ...]
    models: tuple[Path, ...] | None
    family: str
    ready: Path
    has_program: bool
    has_images: bool
    torch_index: str | None = None
    base_image: str | None = None

    @property
    def places(self) -> Places:
        """The work folder as a home: building has environments of its own."""
        return Places(home=self.work, uid=self.uid)

    @property
    def locks(self) -> dict[str, Path]:
        """The hashed locks whose packages are carried, by their names in the bundle."""
        if not self.has_program:
            return {}
        names = (SERVICES, *(f"model-server-{device}" for device in self.devices))
        return {name: self.lock(name) for name in names}

    def lock(self, name: str) -> Path:
        """A lock of the clone."""
        return self.clone / "install" / "locks" / f"{name}.lock"


def written(target: Path, content: bytes) -> Path:
    """Writes a file of the work folder; one that is the same keeps its time.

    So its digest need not be taken again.
    """
    if not target.is_file() or target.read_bytes() != content:
        target.write_bytes(content)
    return target
