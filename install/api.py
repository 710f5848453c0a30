"""Asks the instance and the gateway over HTTP, on this machine, never through a proxy."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from install.errors import (
    CertificateError,
    InstanceRefusedError,
    NotInstalledError,
    UnreachableError,
)
from install.trust import trusted_for

TIMEOUT_S = 10.0
# A model that is read from disk takes long to its first token; the instance gives up before.
CHECK_TIMEOUT_S = 90.0
PER_PAGE = 100
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What the instance minted; `expires_at` is in seconds since the epoch."""

    value: str
    expires_at: int
    base_url: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        """Without the value."""
        return f"AccessToken(expires_at={self.expires_at})"


class Instance:
    """The instance's REST interface, with the admin's personal access token."""

    def __init__(self, url: str, token: str, *, trusted: ssl.SSLContext | bool = True) -> None:
        self._url = url
        self._client = httpx.Client(
            base_url=url,
            headers={"PRIVATE-TOKEN": token},
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=trusted,
        )

    def mint(self) -> AccessToken:
        """Gets an access token for the gateway."""
        found = self.ask("POST", "/api/v4/ai/access_tokens")
        return AccessToken(
            value=found["token"],
            expires_at=int(found["expires_at"]),
            base_url=found["base_url"],
            headers=dict(found.get("headers") or {}),
        )

    def models(self) -> list[dict[str, Any]]:
        """The registered self-hosted models."""
        found = self.ask("GET", "/api/v4/ai/self_hosted_models?per_page=100")
        return list(found)

    def add_model(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Registers a model; the instance checks its endpoint's address."""
        return dict(self.ask("POST", "/api/v4/ai/self_hosted_models", fields))

    def change_model(self, number: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Changes what the fields name of a model."""
        return dict(self.ask("PUT", f"/api/v4/ai/self_hosted_models/{number}", fields))

    def check_model(self, number: int) -> dict[str, Any]:
        """Has the model's endpoint tried as it is registered; takes as long as its first token."""
        path = f"/api/v4/ai/self_hosted_models/{number}/check"
        return dict(self._answer("POST", path, {}, timeout_s=CHECK_TIMEOUT_S).json())

    def remove_model(self, number: int, *, reroute: bool = False) -> None:
        """Takes a model off the list; with `reroute` also one that something uses."""
        path = f"/api/v4/ai/self_hosted_models/{number}"
        self.ask("DELETE", f"{path}?reroute=true" if reroute else path)

    def group_id(self, named: str) -> int:
        """The number of a group, named by its full path or by that number.

        Raises:
            InstanceRefusedError: there is none.
        """
        return int(self.ask("GET", f"/api/v4/groups/{quote(named, safe='')}")["id"])

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Everything in a list that comes in pages.

        Raises:
            UnreachableError, InstanceRefusedError: as `ask` does.
        """
        number = 1
        while True:
            found = self.ask("GET", f"{path}?page={number}&per_page={PER_PAGE}")
            yield from found
            if len(found) < PER_PAGE:
                return
            number += 1

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request; the answer's JSON, or None where it has no body.

        Raises:
            UnreachableError: there was no answer.
            InstanceRefusedError: with the instance's own code and sentence.
        """
        answer = self._answer(method, path, body)
        return answer.json() if answer.content else None

    def text(self, path: str) -> str:
        """What lies at an address, as it comes.

        Raises:
            UnreachableError, InstanceRefusedError: as `ask` does.
        """
        return self._answer("GET", path, None).text

    def _answer(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=body, timeout=timeout_s)
        except httpx.HTTPError as cause:
            sentence = f"The instance does not answer at {self._url}; see `casemate status`."
            raise UnreachableError(sentence) from cause
        if answer.is_success:
            return answer
        raise _refusal(answer)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()


def _refusal(answer: httpx.Response) -> InstanceRefusedError:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    said = body.get("message") if isinstance(body, dict) else None
    code = body.get("code") if isinstance(body, dict) else None
    if isinstance(said, dict):
        said = "; ".join(f"{name}: {text}" for name, text in said.items())
    sentence = f"The instance refused: {said or f'status {answer.status_code}'}."
    if answer.status_code == UNAUTHORIZED:
        sentence += " Make a new token with `casemate users token`."
    return InstanceRefusedError(sentence.replace("..", "."), str(code or answer.status_code))


@contextmanager
def instance(url: str, token_file: Path) -> Iterator[Instance]:
    """The instance, for a block, with the token that lies in a file under its home.

    Raises:
        NotInstalledError: there is no such file.
        CertificateError: it speaks TLS, and nothing says whom to believe.
    """
    home = token_file.parent.parent
    try:
        token = token_file.read_text("utf-8").strip()
    except FileNotFoundError:
        raise NotInstalledError(home) from None
    found = Instance(url, token, trusted=trusted_for(url, home))
    try:
        yield found
    finally:
        found.close()


def is_ready(url: str, home: Path, *, get: Callable[..., httpx.Response] = httpx.get) -> bool:
    """Whether a readiness address of a home answers with success, within two seconds."""
    try:
        return get(url, timeout=2.0, trust_env=False, verify=trusted_for(url, home)).is_success
    except (httpx.HTTPError, CertificateError):
        return False
