"""The list of models: whether the path, the API key and the model's name are right."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.contract.addresses import Endpoint
from gateway.contract.identifiers import served_identifier
from gateway.contract.probing import STEP_S, ModelCheck
from gateway.upstream.probing import address_faults
from gateway.upstream.probing import server_faults as faults
from gateway.upstream.probing.asking import OK, Answer, Asker, SilentError, UnansweredError
from gateway.upstream.probing.failing import ProbeFailedError
from gateway.upstream.probing.judging import KEY_STATUSES, fault_of_status, refused
from gateway.upstream.probing.understanding import (
    MODELS_PATH,
    listed_models,
    nearest_name,
    other_bases,
)

# How servers answer who speaks plainly to a port for TLS, if they answer at all.
PLAIN_TO_TLS = 400


class Listing:
    """Asks one server for its models; `speaks_tls` tries whether its port speaks TLS after all."""

    def __init__(
        self,
        asker: Asker,
        endpoint: Endpoint,
        wish: ModelCheck,
        *,
        speaks_tls: Callable[[], Awaitable[bool]],
    ) -> None:
        self._asker = asker
        self._endpoint = endpoint
        self._api_key = wish.api_key
        self._speaks_tls = speaks_tls
        self._identifier = wish.identifier

    async def check(self) -> str:
        """What the server calls the model.

        Raises:
            ProbeFailedError: says what is wrong.
        """
        answer = await self._ask(self._endpoint.url)
        known = listed_models(answer) if answer.status == OK else None
        if known is None:
            raise await self._fault(answer)
        served = served_identifier(self._identifier)
        if served in known:
            return served
        nearest: str | None = self._identifier
        if nearest not in known:
            # Comparing many names takes long enough to be noticed by those who wait for answers.
            nearest = await asyncio.to_thread(nearest_name, self._identifier, known)
        raise faults.wrong_identifier(served, known, nearest)

    async def _ask(self, base: str) -> Answer:
        try:
            answer = await self._asker.get(base + MODELS_PATH)
        except SilentError as cause:
            raise await self._fault_of_port(
                address_faults.silent(self._endpoint, STEP_S)
            ) from cause
        except UnansweredError as cause:
            raise await self._fault_of_port(faults.broke_off(base, str(cause))) from cause
        if answer.status == PLAIN_TO_TLS:
            raise await self._fault_of_port(refused(answer, api_key=self._api_key))
        return answer

    async def _fault_of_port(self, otherwise: ProbeFailedError) -> ProbeFailedError:
        if self._endpoint.scheme == "http" and await self._speaks_tls():
            return address_faults.tls_port(self._endpoint)
        return otherwise

    async def _fault(self, answer: Answer) -> ProbeFailedError:
        if (told := fault_of_status(answer, api_key=self._api_key)) is not None:
            return told
        url = self._endpoint.url
        found = await self._other_base()
        if answer.status == OK or answer.is_page:
            fault = faults.web_page if answer.is_page else faults.not_openai
            return fault(url, found)
        return faults.wrong_path(url, answer.status, found)

    async def _other_base(self) -> str | None:
        """The first other base URL below which there is a list of models, or a lock before it."""
        for base in other_bases(self._endpoint):
            try:
                answer = await self._asker.get(base + MODELS_PATH)
            except (SilentError, UnansweredError, ProbeFailedError):
                continue
            is_list = answer.status == OK and listed_models(answer) is not None
            if is_list or answer.status in KEY_STATUSES:
                return base
        return None
