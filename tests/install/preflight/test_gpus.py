import pytest

from install.preflight import gpus
from install.preflight.fit import GIB, Memory
from install.preflight.probes import Gpu
from tests.install.preflight.builders import a_manifest, a_model

CUDA = "wheels/model-server-cuda/nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.whl"


def a_gpu(driver: str) -> Gpu:
    return Gpu(index=0, name="L40S", memory_bytes=48 * GIB, free_bytes=48 * GIB, driver=driver)


@pytest.mark.parametrize(
    ("driver", "state"), [("580.65.06", "ok"), ("570.133.20", "problem"), ("", "problem")]
)
def test_the_driver_must_know_the_packages_cuda(driver: str, state: str) -> None:
    assert gpus.driver(a_manifest({CUDA: 1}), [a_gpu(driver)]).state == state


def test_packages_that_do_not_say_their_cuda_take_any_driver() -> None:
    assert gpus.driver(a_manifest(), [a_gpu("450.1")]).state == "ok"


def test_without_a_gpu_the_fix_is_told() -> None:
    assert "--device cpu" in gpus.driver(a_manifest(), []).problems[0]


@pytest.mark.parametrize(
    ("wheel", "version"),
    [
        (CUDA, 13),
        ("wheels/x/nvidia_cuda_runtime_cu12-12.8.90-py3-none-any.whl", 12),
        ("a.whl", None),
    ],
)
def test_the_runtimes_wheel_names_cuda(wheel: str, version: int | None) -> None:
    assert gpus.cuda_version([wheel]) == version


def test_the_first_model_must_fit_and_others_are_told() -> None:
    sizes = {
        "models/big/model.safetensors": 30 * GIB,
        "models/tiny/model.safetensors": GIB,
        "models/tiny/tokenizer.json": 90 * GIB,
    }
    memory = Memory(device="cuda", pieces=(10 * GIB,))
    models = [a_model("tiny"), a_model("big")]
    states = [each.state for each in gpus.models(a_manifest(sizes, models=models), memory)]
    assert states == ["ok", "warning"]
    states = [each.state for each in gpus.models(a_manifest(sizes, models=models[::-1]), memory)]
    assert states == ["problem", "ok"]
