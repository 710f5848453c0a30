"""A GitLab as a gateway sees it: discovery, a key set, tokens, and the headers beside them."""

import json
import ssl
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization

from gateway.issuer.tokens.user_tokens import UserTokenKey
from tests.builders import a_jwk, a_signing_key

AUDIENCES = ["gitlab-ai-gateway", "gitlab-duo-workflow-service"]


class FakeGitLab:
    """Publishes what a GitLab publishes, and signs what its instance tokens say."""

    def __init__(self, kid: str = "gitlab-key-1") -> None:
        self.kid = kid
        self.instance_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, kid))
        self.jwks = [a_jwk("ci-job-key"), a_jwk(kid)]
        self.jwks_uri: str | None = None
        self.is_down = False
        self.fetches = 0
        self.tls: ssl.SSLContext | None = None
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def discovery_url(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/oauth/discovery/keys", self._keys)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _discovery(self, _: web.Request) -> web.Response:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/oauth/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "jwks_uri": self.jwks_uri or f"{self.url}/oauth/discovery/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return web.Response(status=503) if self.is_down else web.json_response(document)

    async def _keys(self, _: web.Request) -> web.Response:
        self.fetches += 1
        return web.Response(status=503) if self.is_down else web.json_response({"keys": self.jwks})

    def entry(self, **changes: Any) -> dict[str, Any]:
        """What an administrator writes to have it believed; None takes a member out."""
        entry = {
            "name": "gitlab",
            "kind": "gitlab",
            "issuer": self.url,
            "discovery_url": self.discovery_url,
            "providers": ["duo"],
            **changes,
        }
        return {name: value for name, value in entry.items() if value is not None}

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCES,
            "sub": self.instance_id,
            "iat": now,
            "nbf": now - 5,
            "exp": now + 3600,
            "jti": str(uuid.uuid4()),
            "gitlab_realm": "self-managed",
            "gitlab_instance_uid": "uid",
            "skip_usage_cutoff": False,
            "scopes": ["duo_chat", "complete_code", "generate_code"],
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, **changes: Any) -> str:
        claims, headers = self.claims(**changes), {"kid": self.kid}
        return jwt.encode(claims, a_signing_key(self.kid), algorithm="RS256", headers=headers)

    def headers(
        self, token: str | None = None, *, user: str | None = "global-user-1", **changes: str | None
    ) -> dict[str, str]:
        """What Rails sends with a token; `changes` by name with _ for -, None leaves one out."""
        headers = {
            "Authorization": f"Bearer {token or self.token()}",
            "X-Gitlab-Authentication-Type": "oidc",
            "X-Gitlab-Instance-Id": self.instance_id,
            "X-Gitlab-Global-User-Id": user,
            "X-Gitlab-Realm": "self-managed",
            "X-Gitlab-Host-Name": "gitlab.test",
            "X-Gitlab-Version": "18.9.0",
            "X-Gitlab-Namespace-Id": "42",
            "X-Gitlab-Feature-Enabled-By-Namespace-Ids": "",
            **{f"X-Gitlab-{name.replace('_', '-')}": value for name, value in changes.items()},
        }
        return {name: value for name, value in headers.items() if value is not None}


def an_issuers_file(folder: Path, *entries: dict[str, Any]) -> Path:
    """What CASEMATE_ISSUERS_FILE names."""
    path = folder / "issuers.json"
    path.write_text(json.dumps({"issuers": entries}))
    return path


def with_a_key_file(gitlab: FakeGitLab, folder: Path) -> dict[str, Any]:
    """An entry of a GitLab that is not asked: its keys were brought in a file."""
    (folder / "gitlab-keys.json").write_text(json.dumps({"keys": gitlab.jwks}))
    return gitlab.entry(discovery_url=None, key_set_file="gitlab-keys.json")


@cache
def a_user_token_key() -> UserTokenKey:
    return UserTokenKey(a_signing_key("user-tokens"))


def a_user_token_key_file(folder: Path) -> Path:
    """What CASEMATE_USER_TOKEN_KEY_FILE names: the file of `a_user_token_key`."""
    path = folder / "user-tokens.pem"
    pem = a_signing_key("user-tokens").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return path
