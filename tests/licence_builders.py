"""Licences as an authority issues them, and what they buy, as values."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.licensing.rules import Authority, Item, Purchase, authority_of
from gateway.contract.catalog import Catalog, parse_catalog
from tests.instance_builders import NOW

INSTANCE_ID = "6f0dd1d8-9c1c-4a5c-8c34-7a5d2f3a3b11"
LICENCE = ("casemate_licence", b"casemate licence 1\n")
CHANGE = ("casemate_authority", b"casemate authority 1\n")


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class SigningAuthority:
    """An authority with its private key."""

    is_demo: bool = False
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> str:
        return encode(self.key.public_key().public_bytes_raw())

    @property
    def authority(self) -> Authority:
        return authority_of(self.public, is_demo=self.is_demo)

    def signed(self, kind: tuple[str, bytes], document: Any, /, **changes: Any) -> str:
        """A file of that kind; `changes` are made to its envelope afterwards."""
        name, context = kind
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        envelope = {
            name: 1,
            "document": encode(body),
            "signature": encode(self.key.sign(context + body)),
            "authority": self.authority.fingerprint,
        }
        return json.dumps({**envelope, **changes})

    def licence(self, *lines: dict[str, Any], **changes: Any) -> str:
        return self.signed(LICENCE, a_document(*lines, **changes))

    def hand_over(self, to: "SigningAuthority") -> str:
        return self.signed(CHANGE, {"new_key": to.public, "issued_at": NOW.isoformat()})


def a_document(*lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a licence for 10 seats of Duo Enterprise says, unless told otherwise."""
    return {
        "serial": str(uuid4()),
        "instance_id": INSTANCE_ID,
        "licensee": "Example Ltd",
        "issued_at": NOW.isoformat(),
        "add_ons": list(lines or [a_line()]),
        **changes,
    }


def a_line(name: str = "duo_enterprise", quantity: int = 10, **changes: Any) -> dict[str, Any]:
    """A line of a licence, from 2026 to the end of 2027."""
    line = {"name": name, "quantity": quantity, "starts_on": "2026-01-01", "ends_on": "2028-01-01"}
    return {**line, **changes}


def an_item(quantity: int = 10, **changes: Any) -> Item:
    fields = {
        "licence_id": 1,
        "quantity": quantity,
        "starts_at": datetime(2026, 1, 1, tzinfo=UTC),
        "ends_at": datetime(2028, 1, 1, tzinfo=UTC),
        "accompanies": None,
        **changes,
    }
    fields.setdefault("grace_ends_at", fields["ends_at"] + timedelta(days=14))
    return Item(**fields)


def a_purchase(add_on: str = "seated", *items: Item, **changes: Any) -> Purchase:
    fields = {"id": 1, "add_on": add_on, "root_namespace_id": None, "items": items or (an_item(),)}
    return Purchase(**{**fields, **changes})


CATALOG = """
[unit_primitives]
chat = { description = "Chat." }
complete = { description = "Complete." }
[features]
[model_families]
[providers]
shm = { title = "Own models" }
q = { title = "Other models" }
[add_ons.seated]
title = "Seated"
has_seats = true
opens = ["chat", "complete"]
[add_ons.free]
title = "Free"
has_seats = false
opens = ["complete"]
[add_ons.hosting]
title = "Hosting"
has_seats = false
entitles = ["shm"]
accompanies = ["seated"]
[add_ons.both]
title = "Both"
has_seats = true
opens = ["chat"]
entitles = ["q"]
"""


def a_catalog() -> Catalog:
    """One add-on of each kind."""
    return parse_catalog(CATALOG)
