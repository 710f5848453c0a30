"""How a step of a check fails, and what may be quoted of what a server said."""

from collections.abc import Iterable, Mapping

from gateway.contract.addresses import Endpoint
from gateway.contract.probing import Finding

MAX_QUOTED_CHARS = 300
MAX_NAMED = 10
BASE_URL = "Give the base URL of its OpenAI API, such as http://HOST:8000/v1."


class ProbeFailedError(Exception):
    """One step found a fault; `proposes` are fields of the registration that would mend it."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fix: str,
        proposes: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.fix = fix
        self.proposes = dict(proposes or {})

    def finding(self, step: str) -> Finding:
        """The same, as what came of a step."""
        return Finding(
            name=step,
            success=False,
            code=self.code,
            message=self.message,
            fix=self.fix,
            proposes=self.proposes,
        )


def quoted(text: str, *, api_key: str | None = None) -> str:
    """What a server said, on one line and without the key that it was shown."""
    if api_key:
        text = text.replace(api_key, "[the API key]")
    plain = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(plain.split())[:MAX_QUOTED_CHARS]


def where(endpoint: Endpoint) -> str:
    """Host and port as a person reads them."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def listed(names: Iterable[str]) -> str:
    """The first few, as a person reads them."""
    return ", ".join(quoted(each) for each in list(names)[:MAX_NAMED])
