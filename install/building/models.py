"""The models of a bundle: folders of weights, or the starter model made here."""

from pathlib import Path

from install import environments, weights
from install.building.errors import BuildRefusedError
from install.building.order import Order
from install.bundle.manifest import PATH, CarriedModel, Entry, digest_of
from install.containers.wheels import Shelf, folder_of
from install.model_environment import model_environment
from install.progress import Step
from install.weights import STARTER_CONTEXT, STARTER_NAME, STARTER_REF, Model

DEVICE = "cpu"


def gather(order: Order, shelf: Shelf, step: Step) -> list[Model]:
    """The models that are asked for; makes the starter model where it is not there yet.

    Raises:
        InstallError: a folder holds no model, or the starter model cannot be made.
    """
    if order.models is None:
        return [_starter(order, shelf, step)]
    found = [_named(folder, order.family) for folder in order.models]
    if len({each.ref for each in found}) != len(found):
        sentence = "Two of the models have the same name; name their folders differently."
        raise BuildRefusedError(sentence)
    return found


def _named(folder: Path, family: str) -> Model:
    weights.check_folder(folder)
    resolved = folder.resolve()
    ref = weights.ref_of(resolved)
    return Model(ref=ref, name=resolved.name, family=family, path=resolved)


def _starter(order: Order, shelf: Shelf, step: Step) -> Model:
    places = order.places
    ready = (order.ready / "config.json").is_file()
    path = order.ready if ready else places.models / STARTER_REF
    model = Model(
        ref=STARTER_REF,
        name=STARTER_NAME,
        family="general",
        path=path,
        context_tokens=STARTER_CONTEXT,
    )
    if not (path / "config.json").is_file():
        environment = model_environment(places, device=DEVICE)
        lock = order.lock(f"model-server-{DEVICE}")
        shelf.fetch(lock, step)
        step.detail = "the model server, which converts weights"
        links = folder_of(shelf.cache, lock)
        environments.make(environment, step, find_links=links, is_offline=True)
        environments.put_wheel(environment, places.wheels)
        weights.make_ready(model, environment, step)
    return model


def files(model: Model) -> dict[str, Path]:
    """A model's files by their paths in the bundle; links are followed, hidden files left out.

    Raises:
        BuildRefusedError: a file has a name that a bundle cannot carry.
    """
    found = {}
    for path in sorted(model.path.rglob("*")):
        inside = path.relative_to(model.path)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        name = f"{folder_of_model(model)}/{inside.as_posix()}"
        if not PATH.fullmatch(name):
            sentence = f"A bundle cannot carry a file of the name {str(inside)!r}; rename it."
            raise BuildRefusedError(sentence)
        found[name] = path
    return found


def folder_of_model(model: Model) -> str:
    """Where a model's files lie in the bundle."""
    return f"models/{model.ref}"


def carried(model: Model, entries: tuple[Entry, ...]) -> CarriedModel:
    """What the manifest says of a model, once its files' digests are known."""
    folder = folder_of_model(model)
    return CarriedModel(
        ref=model.ref,
        name=model.name,
        family=model.family,
        context_tokens=model.context_tokens,
        folder=folder,
        digest=digest_of(
            {
                each.path[len(folder) + 1 :]: each.digest
                for each in entries
                if each.path.startswith(f"{folder}/")
            }
        ),
    )
