"""Tries a model: its endpoint step by step by the gateway, then one real question all the way."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from install import contents
from install.api import AccessToken, Instance, instance, is_ready
from install.config import Config
from install.errors import InstallError, SettingError
from install.places import Places
from install.question import Question, ask
from install.trust import trusted_for

NAME_CHARS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One part of the way a question takes; `problem` and `fix` are sentences, or None.

    `code` is stable, `said` what there is to say of one that is well.
    """

    name: str
    problem: str | None = None
    fix: str | None = None
    code: str = "ok"
    said: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.problem is None


def find(asked: Instance, ref: str) -> dict[str, Any]:
    """The registered model of this ref.

    Raises:
        SettingError: there is none.
    """
    models = asked.models()
    for model in models:
        if model["ref"] == ref:
            return model
    known = ", ".join(model["ref"] for model in models) or "none"
    sentence = f"There is no model {ref!r}; registered: {known}."
    raise SettingError(sentence)


def probe(asked: Instance, ref: str) -> list[Hop]:
    """What the gateway finds at the model's endpoint, up to the first fault.

    Raises:
        InstallError: the instance does not do it.
    """
    found = asked.check_model(int(find(asked, ref)["id"]))
    return [
        Hop(
            name=str(each["name"]),
            problem=None if each["success"] else str(each["message"]),
            fix=each.get("fix"),
            code=str(each["code"]),
            said=str(each["message"]),
        )
        for each in found["probes"]
    ]


def walk(ref: str, settings: Config, places: Places) -> list[Hop]:
    """Each hop up to the first that fails: the instance, the endpoint's steps, then a question."""
    token_file, home = contents.token_file(places), places.home
    tokens: list[AccessToken] = []
    steps: tuple[tuple[str, Callable[[], Sequence[Hop] | None], str], ...] = (
        (
            "instance",
            lambda: _answers(f"{settings.instance_url}/-/readiness", home, "The instance"),
            "See `casemate status` and `casemate logs instance`.",
        ),
        (
            "endpoint",
            lambda: _probe(ref, settings, token_file),
            "See `casemate models list`, and `casemate logs instance`.",
        ),
        (
            "token",
            lambda: tokens.append(_mint(settings, token_file)),
            "See `casemate models list`; a new token comes from `casemate users token`.",
        ),
        (
            "gateway",
            lambda: _answers(f"{settings.gateway_url}/monitoring/healthz", home, "The gateway"),
            "See `casemate status` and `casemate logs gateway`.",
        ),
        (
            "model",
            lambda: _one_token(settings, home, ref=ref, token=tokens[0]),
            "See its endpoint in `casemate models list`, and `casemate logs model-server`.",
        ),
    )
    hops: list[Hop] = []
    for name, step, fix in steps:
        try:
            hops += step() or [Hop(name=name)]
        except InstallError as error:
            hops.append(Hop(name=name, problem=error.sentence, fix=fix, code=error.code))
        if not hops[-1].is_well:
            break
    return hops


def _answers(url: str, home: Path, who: str) -> None:
    if not is_ready(url, home):
        sentence = f"{who} does not answer at {url}."
        raise InstallError(sentence)


def _probe(ref: str, settings: Config, token_file: Path) -> list[Hop]:
    with instance(settings.instance_url, token_file) as asked:
        return probe(asked, ref)


def _mint(settings: Config, token_file: Path) -> AccessToken:
    with instance(settings.instance_url, token_file) as asked:
        return asked.mint()


def _one_token(settings: Config, home: Path, *, ref: str, token: AccessToken) -> None:
    question = Question(text="Say yes.", model=ref, max_tokens=1)
    trusted = trusted_for(settings.gateway_url, home)
    answer = ask(settings.gateway_url, token, question, trusted=trusted)
    if not answer.completion_tokens:
        sentence = f"The model {ref} answered without a single token."
        raise InstallError(sentence)


def as_dict(ref: str, hops: Sequence[Hop]) -> dict[str, Any]:
    """For scripts."""
    told = [asdict(hop) for hop in hops]
    for each in told:
        each["hop"] = each.pop("name")
    return {"ref": ref, "ok": all(hop.is_well for hop in hops), "hops": told}


def show(hops: Sequence[Hop]) -> None:
    """For a person."""
    for hop in hops:
        print(f"{hop.name:<{NAME_CHARS}} {hop.problem or hop.said or 'ok'}")
        if hop.fix:
            print(f"{'':<{NAME_CHARS}} {hop.fix}")
