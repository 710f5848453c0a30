"""Fills a database with as many groups as are asked for, twenty deep, and with what they choose."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, text
from sqlmodel import select

from appliance.model_selection.tables.choices import ChoiceRow, NarrowedModelRow
from appliance.namespaces.rules import MAX_DEPTH
from appliance.namespaces.tables import NamespaceRow
from appliance.self_hosted_models.tables import SelfHostedModelRow
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog
from tests.instance_builders import NOW

FEATURES = tuple(load_catalog().features)
MODELS = ("alpha", "beta", "gamma", "delta", "epsilon")
SEED = 6
BATCH = 5000
# Of a hundred groups so many choose something, and each of those for up to three features.
CHOOSING_PERCENT = 20
MOST_CHOICES = 3
# Of a thousand groups so many are roots.
ROOTS_PER_THOUSAND = 3
STAMPS = {"created_at": NOW, "updated_at": NOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was made: `chain` are groups of one line, from a root down to the greatest depth."""

    groups: Sequence[int]
    chain: Sequence[int]
    choices: int


@dataclass(slots=True)
class _Group:
    id: int
    parent_id: int | None
    ancestry: tuple[int, ...]
    full_path: str

    def row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "parent_id": self.parent_id,
            "root_id": self.ancestry[0],
            "ancestry": f"/{'/'.join(map(str, self.ancestry))}/",
            "depth": len(self.ancestry),
            "name": f"g{self.id}",
            "path": f"g{self.id}",
            "full_path": self.full_path,
            "full_path_key": self.full_path,
            "description": "",
            "visibility": "private",
            **STAMPS,
        }


def fill(session: Session, groups: int, *, endpoint: str = "http://127.0.0.1:1/v1") -> World:
    """Adds models, groups and choices; the same every time."""
    dice = random.Random(SEED)
    _add_models(session, endpoint)
    first = (session.exec(select(func.max(NamespaceRow.id))).one() or 0) + 1
    made = list(_grown(first, groups, dice))
    _insert(session, NamespaceRow, [each.row() for each in made])
    chosen = list(_choices(made, dice))
    _insert(session, ChoiceRow, [row for row, _ in chosen])
    narrowed = [{"choice_id": row["id"], "ref": ref} for row, refs in chosen for ref in refs]
    _insert(session, NarrowedModelRow, narrowed)
    if session.get_bind().dialect.name == "postgresql":
        for table in ("namespaces", "namespace_choices"):
            counter = f"pg_get_serial_sequence('{table}', 'id')"
            session.execute(text(f"SELECT setval({counter}, (SELECT max(id) FROM {table}))"))  # noqa: S608  # our own names
    deepest = max(made, key=lambda each: len(each.ancestry))
    return World(groups=[each.id for each in made], chain=deepest.ancestry, choices=len(chosen))


def _grown(first: int, groups: int, dice: random.Random) -> Iterator[_Group]:
    known: list[_Group] = []
    for number in range(first, first + groups):
        # The first ones go straight down, and others mostly hang on to groups that are young.
        recent = known[-200:]
        above = known[-1] if 0 < len(known) < MAX_DEPTH else None
        if above is None and known and dice.randrange(1000) >= ROOTS_PER_THOUSAND:
            above = dice.choice(recent)
        if above is not None and len(above.ancestry) >= MAX_DEPTH:
            above = known[0]
        path = f"g{number}" if above is None else f"{above.full_path}/g{number}"
        ancestry = () if above is None else above.ancestry
        made = _Group(number, above.id if above else None, (*ancestry, number), path)
        known.append(made)
        yield made


def _choices(
    groups: Sequence[_Group], dice: random.Random
) -> Iterator[tuple[dict[str, Any], Sequence[str]]]:
    number = 0
    for group in groups:
        if dice.randrange(100) >= CHOOSING_PERCENT:
            continue
        for feature in dice.sample(FEATURES, dice.randint(1, MOST_CHOICES)):
            number += 1
            model = dice.choice(MODELS)
            narrows = dice.randrange(4) == 0
            others = dice.sample(MODELS, 3) if narrows else []
            row = {
                "id": number,
                "namespace_id": group.id,
                "feature": feature,
                "model_ref": model,
                "allows_all": not narrows,
                "is_locked": dice.randrange(20) == 0,
                **STAMPS,
            }
            yield row, sorted({model, *others}) if narrows else []


def _add_models(session: Session, endpoint: str) -> None:
    known = session.exec(select(SelfHostedModelRow.ref)).all()
    rows = [
        {
            "ref": ref,
            "ref_key": ref,
            "name": ref,
            "family": "general",
            "endpoint": endpoint,
            "identifier": "demo",
            "provider": "shm",
            "is_local": False,
            "is_enabled": True,
            "allowed_networks": [],
            "further_endpoints": [],
            **STAMPS,
        }
        for ref in MODELS
        if ref not in known
    ]
    _insert(session, SelfHostedModelRow, rows)


def _insert(session: Session, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        session.execute(insert(table), rows[start : start + BATCH])
