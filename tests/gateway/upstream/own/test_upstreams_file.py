from pathlib import Path
from typing import Any

import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.definitions import DefinedModel
from gateway.upstream.own.upstreams_file import Bound, Surroundings, read_upstreams
from tests.fakes.own_files import AdminsFiles, an_upstream

SECRET = "key-canary-1"


@pytest.fixture
def files(tmp_path: Path) -> AdminsFiles:
    return AdminsFiles(tmp_path)


def read(files: AdminsFiles, *upstreams: dict[str, Any], **changes: Any) -> Bound:
    files.bind(*upstreams)
    models = {
        ref: DefinedModel(name=ref, identifier=ref, provider="duo") for ref in ("big", "small")
    }
    around: dict[str, Any] = {
        "models": models,
        "identifiers": models.keys(),
        "networks": DEFAULT_NETWORKS,
        "is_mounted": False,
        **changes,
    }
    return read_upstreams(files.upstreams, Surroundings(**around))


def test_a_model_is_bound_with_everything_that_is_said(files: AdminsFiles) -> None:
    full = an_upstream(
        endpoints=["http://gpu-1:8000/v1", "https://gpu-2/v1"],
        identifier="org/Big-7B",
        api_key_file=files.key_file(f"{SECRET}\n"),
        allowed_cidrs=["10.0.0.0/8", "10.1.2.3"],
        max_in_flight=4,
    )
    bound = read(files, full, an_upstream("small"))
    assert bound.problems == []
    big, small = bound.models
    assert (big.ref, big.identifier, big.provider) == ("big", "org/Big-7B", "duo")
    assert (big.api_key, big.max_in_flight, big.is_understood) == (SECRET, 4, True)
    assert big.endpoints == ("http://gpu-1:8000/v1", "https://gpu-2/v1")
    assert [str(each) for each in big.allowed_networks] == ["10.0.0.0/8", "10.1.2.3/32"]
    assert (small.identifier, small.api_key, small.max_in_flight) == ("small", None, 0)
    assert SECRET not in repr(bound)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"model": "other"}, "model: not one of the models that the definitions name"),
        ({"model": "BIG"}, "definitions name; 'big' is"),
        ({"endpoints": []}, "endpoints: at least one is needed"),
        ({"endpoints": "http://gpu"}, "endpoints: Expected `array`"),
        ({"endpoints": ["gpu:8000"]}, "endpoints: The endpoint must begin with http"),
        ({"endpoints": ["http://u:secret@gpu/v1"]}, "must not carry a user name or password"),
        ({"endpoints": ["http://8.8.8.8/v1"]}, "8.8.8.8 is outside the allowed networks"),
        ({"endpoints": ["http://169.254.169.254/v1"]}, "outside the allowed networks"),
        ({"endpoints": ["http://gpu/v1", "http://gpu/v1/"]}, "'http://gpu/v1' is named twice"),
        ({"identifier": "\n"}, "identifier: must be"),
        ({"api_key_file": "none.key"}, "api_key_file: [Errno 2] No such file"),
        ({"api_key_file": "a\x00b"}, "api_key_file: embedded null"),
        ({"allowed_cidrs": ["10.0.0.1/8"]}, "allowed_cidrs: '10.0.0.1/8' has host bits"),
        ({"max_in_flight": -1}, "max_in_flight: Expected `int` >= 0"),
        ({"api_key": "secret"}, "there is no 'api_key'"),
    ],
)
def test_a_binding_that_cannot_be_is_reported(
    files: AdminsFiles, members: dict[str, Any], problem: str
) -> None:
    bound = read(files, an_upstream("small"), {**an_upstream(), **members})
    (said,) = bound.problems
    assert problem in said
    assert "secret" not in said
    assert [each.ref for each in bound.models] == ["small"]


def test_everything_that_is_wrong_is_said_at_once(files: AdminsFiles) -> None:
    wrong = an_upstream("x", endpoints=["ftp://a", "http://8.8.8.8"], api_key_file="none.key")
    bound = read(files, wrong, {"model": 5}, an_upstream(), an_upstream())
    assert [each.partition(": ")[0] for each in bound.problems] == [
        *["upstream of 'x'"] * 4,
        *["upstream 2"] * 2,
        "upstream of 'big'",
    ]


@pytest.mark.parametrize("content", ["", "two words", "a\nb", "\u00fc", "x" * 4097])
def test_a_key_that_fits_no_header_is_refused_without_showing_it(
    files: AdminsFiles, content: str
) -> None:
    bound = read(files, an_upstream(api_key_file=files.key_file(content)))
    (said,) = bound.problems
    assert "visible ASCII characters" in said
    assert not content or content not in said


def test_a_key_that_others_may_read_is_refused_unless_it_is_mounted(files: AdminsFiles) -> None:
    upstream = an_upstream(api_key_file=files.key_file(SECRET, mode=0o644))
    (said,) = read(files, upstream).problems
    assert "chmod 600" in said
    assert SECRET not in said
    (model,) = read(files, upstream, is_mounted=True).models
    assert model.api_key == SECRET


def test_a_name_is_held_to_the_networks_when_it_is_called(files: AdminsFiles) -> None:
    assert read(files, an_upstream(endpoints=["http://anything.test/v1"])).problems == []


def test_definitions_that_cannot_be_read_say_nothing_of_a_binding(files: AdminsFiles) -> None:
    assert read(files, an_upstream(), models={}, identifiers=None).problems == []


def test_a_file_that_is_not_there_is_reported(files: AdminsFiles) -> None:
    around = Surroundings(models={}, identifiers=(), networks=(), is_mounted=False)
    (said,) = read_upstreams(files.upstreams, around).problems
    assert "No such file" in said
