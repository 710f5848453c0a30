"""Asks a running vLLM whether it answers: a real token once, then cheap questions."""

import httpx

# The first token of a large model may wait for kernels to be made.
_TOKEN_LIMIT_S = 120.0
_HEALTH_LIMIT_S = 5.0


class Probe:
    """Questions to one vLLM; never through a proxy, and never raising for an answer that is bad."""

    def __init__(self, url: str, *, ref: str, api_key: str) -> None:
        self._ref = ref
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=_HEALTH_LIMIT_S,
            trust_env=False,
        )

    async def is_listening(self) -> bool:
        """Whether its health page answers well; it needs no key and computes nothing."""
        try:
            return (await self._client.get("/health")).is_success
        except httpx.HTTPError:
            return False

    async def has_token(self) -> bool:
        """Whether the model computes one token for a client that shows the key."""
        question = {"model": self._ref, "prompt": "Hello", "max_tokens": 1, "temperature": 0}
        try:
            answer = await self._client.post(
                "/v1/completions", json=question, timeout=_TOKEN_LIMIT_S
            )
            return answer.is_success and bool(answer.json()["choices"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
