"""Removes what the engine keeps of one home: containers, networks, volumes, images."""

import docker
from docker.errors import APIError

from install.config import Config
from install.containers import operating
from install.containers.client import connect, translated
from install.containers.leftovers import CONFLICT, LABEL, NOT_FOUND
from install.places import Places


def remove(places: Places, config: Config, *, is_data_kept: bool) -> None:
    """Ends the containers and the lock on the network, then removes what was made for this home.

    Volumes hold the data. Images that came in a bundle are `loading.forget`'s to remove, once no
    slot names them.

    Raises:
        InstallError: the engine cannot be used.
    """
    here, containers = operating.open_project(places, config)
    operating.forget_trial(places)
    operating.take_down(here, containers)
    client = connect(here.engine.address)
    with translated():
        for image in client.api.images(filters={"label": f"{LABEL}={places.home}"}):
            _remove_image(client, str(image["Id"]))
    if not is_data_kept:
        containers.remove_volumes()


def _remove_image(client: docker.DockerClient, identity: str) -> None:
    try:
        # By its identity with force, because each of several tags would have to go first.
        client.api.remove_image(identity, force=True)
    except APIError as cause:
        # Gone together with another, or another home's container stands on it.
        if cause.status_code not in {CONFLICT, NOT_FOUND}:
            raise
