"""The models to serve, as `models.json` names them."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from model_server.errors import ModelListInvalidError


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        problem = "must be absolute"
        raise ValueError(problem)
    return path


@dataclass(frozen=True, slots=True, kw_only=True, config={"extra": "forbid"})
class ModelSpec:
    """One model: what clients call it, where its weights lie, how much context it may use."""

    ref: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")]
    path: Annotated[Path, AfterValidator(_absolute)]
    family: str = "general"
    context_tokens: Annotated[int, Field(ge=16)] | None = None


_LIST = TypeAdapter(list[ModelSpec])


def read_models(path: Path) -> tuple[ModelSpec, ...]:
    """Reads the list; its order decides the ports.

    Raises:
        ModelListInvalidError: absent, unreadable, not the expected form, or a ref used twice.
    """
    try:
        specs = tuple(_LIST.validate_json(path.read_bytes()))
    except OSError as cause:
        raise ModelListInvalidError(path, f"cannot be read ({cause.strerror})") from cause
    except ValidationError as cause:
        first = cause.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ModelListInvalidError(path, f"{place}: {first['msg']}") from cause
    refs = [spec.ref for spec in specs]
    for ref in refs:
        if refs.count(ref) > 1:
            raise ModelListInvalidError(path, f"{json.dumps(ref)} is named twice")
    return specs
