"""Requests, and the users who make them."""

from typing import Any

from appliance.accounts.rules import Profile
from appliance.accounts.usecases import create_user
from appliance.ai_actions.rules import Placed, Request, Wish
from appliance.ai_actions.usecases import accept
from appliance.audit.rules import SYSTEM
from appliance.storage.engine import Session
from tests.instance_builders import NOW


def a_wish(**changes: Any) -> Wish:
    fields = {
        "action": "explain_code",
        "user_id": 1,
        "credential_id": 1,
        "client_ip": "127.0.0.1",
        "inputs": {"code": "pass"},
    }
    return Wish(**{**fields, **changes})


def add_users(session: Session) -> tuple[int, ...]:
    """Three users."""
    profiles = (
        Profile(username=name, name=name, email=f"{name}@example.org") for name in ("a", "b", "c")
    )
    return tuple(
        create_user(session, each, password_hash=None, actor=SYSTEM, now=NOW).id
        for each in profiles
    )


def an_accepted(session: Session, **wish: Any) -> Request:
    """A request that waits for a worker; `now` is when it was accepted."""
    now = wish.pop("now", NOW)
    placed = Placed(**{name: wish.pop(name) for name in ("namespace_id",) if name in wish})
    return accept(session, a_wish(**wish), placed, requests_per_8h=0, now=now)
