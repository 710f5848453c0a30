"""What can be asked about a permission, what it is answered from, and the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from appliance.accounts.rules import User
from appliance.licensing.rules import Grant, Holding
from appliance.model_selection.rules import SelectableModel
from appliance.namespaces.rules import Namespace
from appliance.resources.rules import Project
from appliance.self_hosted_models.rules import SelfHostedModel
from gateway.contract.catalog import Catalog
from gateway.contract.selection import Choice, Effective, Feature, effective

# `unknown`: nobody can say right now, so neither can the answer.
Verdict = Literal["permitted", "refused", "unknown"]
CheckState = Literal["passed", "failed", "unknown", "not_reached"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May the user do this, in that group, with that model?

    Exactly one of `unit_primitive` and `feature` is named; a feature stands for the first of its
    unit primitives. Without a group the one counts that an access token would be for; a project
    stands for its group, and may be without AI itself. `address` is where the user asks a gateway
    from.
    """

    user_id: int
    unit_primitive: str | None = None
    feature: str | None = None
    namespace_id: int | None = None
    project_id: int | None = None
    model: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """The model that a question names, or that a request without a name would get.

    It is `registered` here, `offered` by the gateway, or neither; `state` is what present gateways
    say, None when nothing.
    """

    ref: str
    registered: SelfHostedModel | None
    state: Literal["ready", "unreachable"] | None
    offered: SelectableModel | None = None

    @property
    def provider(self) -> str | None:
        """Who runs it; None if there is no such model."""
        known = self.registered or self.offered
        return None if known is None else known.provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What decides which model the feature of the unit primitive uses.

    `chain` are the groups from the top to the one that is asked about, `chosen` what each says of
    the feature. `problem` is a sentence when what the instance assigned is not used; `named` the
    model that is asked for, None for that of the feature.
    """

    feature: str
    offer: Feature
    chain: Sequence[Namespace] = ()
    chosen: Mapping[int, Choice] = field(default_factory=dict)
    may_switch: bool = True
    problem: str | None = None
    named: str | None = None

    @property
    def held(self) -> Effective:
        """What holds in the group."""
        return self.held_at(len(self.chain))

    def held_at(self, levels: int) -> Effective:
        """What holds that many groups below the instance."""
        steps = ((each.id, self.chosen.get(each.id)) for each in self.chain[:levels])
        return effective(self.offer, steps, may_switch=self.may_switch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that bears on the answer, as it is at `at`.

    `guards` are the flags that guard the unit primitive, `flags` those that are on for the user in
    the group; `grant` is what an access token minted now would carry. `selection` is None for a
    unit primitive of no feature, `model` where none is named and none would be used. `address` is
    where the user asks from, None when nobody said. `is_for_self`: the answer goes to the user, who
    can change nothing of it alone.
    """

    at: datetime
    catalog: Catalog
    user: User
    unit_primitive: str
    guards: Sequence[str]
    flags: frozenset[str]
    namespace: Namespace | None
    is_member: bool
    is_saas: bool
    holdings: Sequence[Holding]
    grant: Grant
    model: AskedModel | None
    selection: Selection | None = None
    project: Project | None = None
    address: str | None = None
    is_for_self: bool = False

    @property
    def who(self) -> str:
        """The user, as the subject of a sentence."""
        return f"The user {self.user.username}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check came to; `code` is that of the refusal, where it is one."""

    state: CheckState
    sentence: str
    change: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition of a permission; `change` says what would alter it, and where."""

    name: str
    state: CheckState
    sentence: str
    change: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why something is permitted or refused; the first check that did not pass decides.

    `code` is the one that the gateway, or the instance before it, refuses with; `ai_action_code`
    is what a user of chat or another AI action is shown then. `model` is the one that is named, or
    that would be used.
    """

    verdict: Verdict
    code: str | None
    unit_primitive: str
    checks: Sequence[Check]
    model: str | None = None
    ai_action_code: str | None = None


def passed(sentence: str) -> Finding:
    """A condition that holds."""
    return Finding(state="passed", sentence=sentence)


def failed(code: str, sentence: str, *, change: str | None) -> Finding:
    """A condition that refuses."""
    return Finding(state="failed", sentence=sentence, change=change, code=code)


def not_reached(sentence: str) -> Finding:
    """A condition that was not looked at."""
    return Finding(state="not_reached", sentence=sentence)
