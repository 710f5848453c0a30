"""What `up` came to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from install import contents
from install.config import Config
from install.contents import Contents
from install.first_question import FirstQuestion
from install.places import Places
from install.release import release
from install.weights import Model

PLAIN_HTTP = (
    "Instance and gateway listen beyond this machine without TLS: tokens and questions cross the "
    "network in the clear; --tls ends that."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What `up` came to, in the words of its JSON object.

    `answer` is empty when the first question was not asked; `not_asked` says why.
    """

    home: str
    instance_url: str
    gateway_url: str
    model_url: str
    username: str
    password_file: str
    token_file: str
    model: str
    is_demonstration: bool
    is_demo_licence: bool
    answer: str
    tokens_per_second: float
    not_asked: str | None
    seconds: float
    version: str
    restarted: tuple[str, ...]
    changed: tuple[str, ...]
    warnings: tuple[str, ...]
    containers: bool
    # Whom clients must believe; None without TLS.
    ca_file: str | None = None
    systemd: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an `up` went: what was served where, filled, started anew and asked."""

    model: Model
    model_url: str
    filled: Contents
    restarted: Sequence[str]
    asked: FirstQuestion
    seconds: float


def outcome(places: Places, settings: Config, course: Course) -> Outcome:
    """Puts it together."""
    is_plain = settings.is_public and not settings.tls
    asked, answer = course.asked, course.asked.answer
    warnings = (*course.filled.warnings, *((PLAIN_HTTP,) if is_plain else ()))
    return Outcome(
        home=str(places.home),
        instance_url=settings.instance_url,
        gateway_url=settings.gateway_url,
        model_url=course.model_url,
        username=contents.ADMIN["username"],
        password_file=str(contents.password_file(places)),
        token_file=str(contents.token_file(places)),
        model=course.model.ref,
        is_demonstration=course.model.is_demonstration,
        is_demo_licence=asked.is_demo_licence,
        answer=answer.text if answer else "",
        tokens_per_second=round(answer.tokens_per_second, 1) if answer else 0.0,
        not_asked=asked.refusal,
        seconds=round(course.seconds, 1),
        version=release(),
        restarted=tuple(course.restarted),
        changed=course.filled.changed,
        warnings=warnings,
        containers=settings.containers,
        ca_file=str(places.authorities) if settings.tls else None,
        systemd=settings.systemd,
    )
