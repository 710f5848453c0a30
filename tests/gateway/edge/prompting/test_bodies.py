import pytest

from gateway.edge.prompting.bodies import ModelMetadata, PromptRequest, named_model, parse
from gateway.errors import ValidationFailedError

OF_ITS_SERVER = ModelMetadata(provider="openai", identifier="custom_openai/org/Big")


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        (None, ""),
        (ModelMetadata(provider="gitlab"), ""),
        (ModelMetadata(provider="gitlab", identifier=""), ""),
        (ModelMetadata(provider="gitlab", identifier="openai/big"), "openai/big"),
        (ModelMetadata(identifier="big"), "big"),
        (OF_ITS_SERVER, ""),
    ],
)
def test_beside_our_own_tokens_only_a_ref_names_a_model(
    metadata: ModelMetadata | None, named: str
) -> None:
    assert named_model(metadata, "casemate") == named


def test_a_gitlab_names_a_model_as_its_server_does() -> None:
    assert named_model(OF_ITS_SERVER, "gitlab") == named_model(OF_ITS_SERVER, "user") == "org/Big"


def test_a_long_error_is_not_repeated_whole() -> None:
    with pytest.raises(ValidationFailedError) as refused:
        parse(
            b'{"inputs": {}, "model_metadata": {"identifier": "' + b"x" * 2000 + b'"}}',
            PromptRequest,
        )
    assert len(refused.value.message) < 600
    assert "xxx" not in refused.value.message
