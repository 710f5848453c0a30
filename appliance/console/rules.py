"""What the state of the parts is, from what is known of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from appliance.gateway_feed.rules import Gateway
from appliance.self_hosted_models.rules import SelfHostedModel

PartState = Literal["ready", "away", "unknown"]
# Whether anything is bought now, and if so, whether only for a demonstration.
LicenceState = Literal["none", "demo", "owned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLine:
    """A gateway as the page shows it."""

    name: str
    state: PartState
    version: str | None
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLine:
    """A model as the page shows it."""

    name: str
    ref: str
    family: str
    state: PartState


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The state of the parts at one moment."""

    at: datetime
    gateways: Sequence[GatewayLine]
    models: Sequence[ModelLine]
    licence: LicenceState

    @property
    def answers_questions(self) -> bool:
        """Whether some model would answer now somebody who has a seat."""
        return self.licence != "none" and any(line.state == "ready" for line in self.models)

    @property
    def example_ref(self) -> str:
        """A model to show a first question with: a ready one if there is one."""
        by_readiness = sorted(self.models, key=lambda line: line.state != "ready")
        return by_readiness[0].ref if by_readiness else "MODEL"


def overview(
    gateways: Iterable[Gateway],
    models: Iterable[SelfHostedModel],
    *,
    licence: LicenceState,
    at: datetime,
) -> Overview:
    """Puts together what present gateways reported; an absent one's report counts for nothing."""
    gateways = tuple(gateways)
    reported: dict[str, set[str]] = {}
    for gateway in gateways:
        if gateway.is_present(at=at):
            for each in gateway.reported_models:
                reported.setdefault(each.ref, set()).add(each.state)
    return Overview(
        at=at,
        gateways=[_gateway_line(gateway, at=at) for gateway in gateways],
        models=[_model_line(model, reported.get(model.ref, set())) for model in models],
        licence=licence,
    )


def licence_state(active: Iterable[bool]) -> LicenceState:
    """What the purchases that are active come to; each is told by whether it is a demo one."""
    marks = set(active)
    if not marks:
        return "none"
    return "demo" if True in marks else "owned"


def _gateway_line(gateway: Gateway, *, at: datetime) -> GatewayLine:
    return GatewayLine(
        name=gateway.name,
        state="ready" if gateway.is_present(at=at) else "away",
        version=gateway.version,
        last_seen_at=gateway.last_seen_at,
    )


def _model_line(model: SelfHostedModel, reported: set[str]) -> ModelLine:
    state: PartState = "unknown"
    if reported:
        # One gateway that reaches the model is enough to have an answer.
        state = "ready" if "ready" in reported else "away"
    return ModelLine(name=model.name, ref=model.ref, family=model.family, state=state)
