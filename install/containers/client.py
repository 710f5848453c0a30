"""The library's client for the engine, and what its failures mean to a person."""

from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from install.containers.errors import EngineFailedError

# A build waits for pip, which unpacks gigabytes; a pull for a slow line.
TIMEOUT_S = 3600


def connect(address: str) -> docker.DockerClient:
    """The client for an engine that was found to answer.

    Raises:
        EngineFailedError: it does not any more.
    """
    with translated():
        return docker.DockerClient(base_url=address, version="auto", timeout=TIMEOUT_S)


@contextmanager
def translated() -> Iterator[None]:
    """Makes a failure that the block has no better word for one of ours.

    Raises:
        EngineFailedError: with what the engine said.
    """
    try:
        yield
    except (DockerException, RequestException) as cause:
        raise EngineFailedError(said(cause)) from cause


def said(cause: Exception) -> str:
    """What the engine, or the library, says of a failure, on one line."""
    explanation = cause.explanation if isinstance(cause, APIError) else None
    return " ".join(str(explanation or cause).split())[-400:]
