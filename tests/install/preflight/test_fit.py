from dataclasses import replace

import pytest

from install.preflight.fit import GIB, Figures, Memory, fit, gpu_memory
from install.preflight.probes import Gpu

FIGURES = Figures(weights_bytes=14 * GIB, parameters=7 * 10**9, attention_heads=32)


def a_memory(*pieces: int, device: str = "cuda") -> Memory:
    return Memory(device=device, pieces=tuple(each * GIB for each in pieces))


@pytest.mark.parametrize(("had", "is_good"), [(17, True), (16, False)])
def test_a_gpu_holds_weights_cache_and_overhead(had: int, *, is_good: bool) -> None:
    assert fit(FIGURES, a_memory(had)).is_good is is_good


def test_a_model_is_cut_over_gpus_where_one_does_not_do() -> None:
    judged = fit(FIGURES, a_memory(10, 10, 10))
    assert (judged.is_good, judged.width) == (True, 2)
    assert "on each of 2 GPUs" in judged.sentence


def test_heads_that_cannot_be_halved_keep_a_model_on_one_gpu() -> None:
    odd = replace(FIGURES, attention_heads=25)
    assert fit(odd, a_memory(10, 10)).width == 1


def test_the_cache_for_the_context_asked_for_counts() -> None:
    long = replace(FIGURES, token_bytes=131_072, context_tokens=131_072)
    assert fit(long, a_memory(24)).needed_bytes == 32 * GIB


def test_without_a_gpu_nothing_fits() -> None:
    judged = fit(FIGURES, a_memory())
    assert not judged.is_good
    assert "none can be had" in judged.sentence


@pytest.mark.parametrize(("has_bfloat16", "needed"), [(True, 3), (False, 4)])
def test_a_tiny_model_doubles_on_a_cpu_without_bfloat16(needed: int, *, has_bfloat16: bool) -> None:
    tiny = Figures(weights_bytes=GIB // 4, parameters=GIB // 4, attention_heads=8)
    memory = replace(a_memory(64, device="cpu"), has_bfloat16=has_bfloat16)
    assert round(fit(tiny, memory).needed_bytes / GIB - 0.4) == needed


def test_quantized_weights_are_loaded_as_they_are() -> None:
    figures = replace(FIGURES, is_quantized=True, weights_bytes=4 * GIB)
    assert fit(figures, a_memory(8, device="cpu")).needed_bytes == 7 * GIB


@pytest.mark.parametrize(("are_ours", "had"), [(True, 9), (False, 4)])
def test_what_the_running_model_holds_can_be_had(had: int, *, are_ours: bool) -> None:
    gpu = Gpu(index=0, name="x", memory_bytes=10 * GIB, free_bytes=5 * GIB, driver="580")
    assert round(gpu_memory([gpu], are_ours=are_ours).total / GIB) == had
