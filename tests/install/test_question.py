import pytest

from install.api import AccessToken
from install.errors import GatewayRefusedError, UnreachableError
from install.question import Answer, Question, ask, ask_when_ready

ANSWER = Answer(text="Yes.", completion_tokens=2, first_token_s=0.1, tokens_per_second=10)
TOKEN = AccessToken(value="geheim", expires_at=1, base_url="", headers={})


class Gateway:
    def __init__(self, *codes: str) -> None:
        self._codes = list(codes)
        self.time = 0.0

    def ask(self) -> Answer:
        if self._codes:
            raise GatewayRefusedError("Not now.", self._codes.pop(0))
        return ANSWER

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def run(self) -> Answer:
        return ask_when_ready(self.ask, patience_s=1, sleep=self.sleep, clock=lambda: self.time)


def test_a_model_that_is_on_its_way_is_asked_again() -> None:
    assert Gateway("model_unavailable", "configuration_unavailable").run() == ANSWER


def test_patience_ends() -> None:
    with pytest.raises(GatewayRefusedError):
        Gateway(*["model_unavailable"] * 9).run()


def test_another_refusal_is_final() -> None:
    with pytest.raises(GatewayRefusedError) as caught:
        Gateway("feature_not_granted").run()
    assert caught.value.code == "feature_not_granted"


def test_an_access_token_is_not_in_its_repr() -> None:
    assert "geheim" not in repr(TOKEN)


def test_a_gateway_that_does_not_answer_is_named(free_ports: list[int]) -> None:
    url = f"http://127.0.0.1:{free_ports[0]}"
    with pytest.raises(UnreachableError, match="does not answer"):
        ask(url, TOKEN, Question(text="x", model="m"))
