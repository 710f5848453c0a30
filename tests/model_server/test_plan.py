from pathlib import Path

import pytest

from model_server.errors import GIB, CpuUnsupportedError, NotEnoughMemoryError
from model_server.hardware import Hardware
from model_server.plan import Plan, plan_model
from tests.model_server.builders import (
    a_gpu,
    a_machine,
    a_place,
    a_spec,
    large_weights,
    some_weights,
)


def value_of(planned: Plan, option: str) -> str:
    return planned.arguments[planned.arguments.index(option) + 1]


def on_cpu(**facts: object) -> Plan:
    return plan_model(a_spec(**facts), some_weights(), machine=a_machine(), place=a_place())


def test_a_model_is_served_by_its_ref_at_its_place() -> None:
    planned = plan_model(
        a_spec(ref="our-model"),
        some_weights(folder=Path("/models/x")),
        machine=a_machine(),
        place=a_place(host="127.0.0.2", port=8003),
    )
    assert value_of(planned, "--model") == "/models/x"
    assert value_of(planned, "--served-model-name") == "our-model"
    assert value_of(planned, "--host") == "127.0.0.2"
    assert value_of(planned, "--port") == "8003"


@pytest.mark.parametrize("machine", [a_machine(), a_machine(gpus=(a_gpu(),))])
def test_nothing_of_a_request_is_logged_and_every_other_route_is_closed(
    machine: Hardware,
) -> None:
    planned = plan_model(a_spec(), some_weights(), machine=machine, place=a_place())
    assert "--no-enable-log-requests" in planned.arguments
    assert "--disable-uvicorn-access-log" in planned.arguments
    assert value_of(planned, "--middleware") == "model_server.door.Door"


@pytest.mark.parametrize("machine", [a_machine(), a_machine(gpus=(a_gpu(),))])
def test_telemetry_and_hub_are_off(
    machine: Hardware,
) -> None:
    planned = plan_model(a_spec(), some_weights(), machine=machine, place=a_place())
    for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        assert planned.environment[name] == "1"


def test_no_key_is_in_a_plan() -> None:
    planned = on_cpu()
    assert "--api-key" not in planned.arguments
    assert "VLLM_API_KEY" not in planned.environment


def test_caches_lie_below_the_state() -> None:
    planned = on_cpu()
    assert planned.environment["VLLM_CACHE_ROOT"] == "/state/cache/vllm"
    assert planned.environment["HF_HOME"] == "/state/cache/huggingface"


@pytest.mark.parametrize(
    ("family", "parser"), [("mistral", "mistral"), ("LLAMA3", "llama3_json"), ("qwen", "hermes")]
)
def test_tool_calls_are_parsed_for_families_that_have_a_form(family: str, parser: str) -> None:
    planned = on_cpu(family=family)
    assert "--enable-auto-tool-choice" in planned.arguments
    assert value_of(planned, "--tool-call-parser") == parser


def test_other_families_get_no_tool_parser() -> None:
    assert "--tool-call-parser" not in on_cpu(family="general").arguments


def test_prefix_caching_is_on() -> None:
    assert "--enable-prefix-caching" in on_cpu().arguments


def test_a_cpu_runs_eagerly_and_sees_no_gpu() -> None:
    planned = on_cpu()
    assert "--enforce-eager" in planned.arguments
    assert planned.environment["CUDA_VISIBLE_DEVICES"] == ""
    assert "--tensor-parallel-size" not in planned.arguments


@pytest.mark.parametrize(
    ("flags", "facts", "dtype"),
    [
        (("avx2",), {}, "float32"),
        (("avx2", "avx512_bf16"), {}, "bfloat16"),
        (("avx2",), {"parameters": 2_000_000_000}, "bfloat16"),
        (("avx2",), {"is_quantized": True}, "auto"),
    ],
)
def test_numbers_on_a_cpu_suit_its_instructions(
    flags: tuple[str, ...], facts: dict[str, int], dtype: str
) -> None:
    machine = a_machine(cpu_flags=frozenset({*flags, "fma", "f16c"}))
    planned = plan_model(a_spec(), some_weights(**facts), machine=machine, place=a_place())
    assert value_of(planned, "--dtype") == dtype


def test_a_processor_without_avx2_is_refused() -> None:
    machine = a_machine(cpu_flags=frozenset({"avx", "fma", "f16c"}))
    with pytest.raises(CpuUnsupportedError) as refusal:
        plan_model(a_spec(), some_weights(), machine=machine, place=a_place())
    assert refusal.value.missing == ("avx2",)


def test_a_gpu_makes_the_processor_irrelevant() -> None:
    machine = a_machine(cpu_flags=frozenset(), gpus=(a_gpu(),))
    planned = plan_model(a_spec(), some_weights(), machine=machine, place=a_place())
    assert value_of(planned, "--dtype") == "auto"


@pytest.mark.parametrize(
    ("asked", "of_model", "given"),
    [(None, 4096, 4096), (None, 131072, 8192), (2048, 4096, 2048), (9000, 4096, 4096)],
)
def test_context_on_a_cpu(asked: int | None, of_model: int, given: int) -> None:
    planned = plan_model(
        a_spec(context_tokens=asked),
        some_weights(max_context_tokens=of_model),
        machine=a_machine(),
        place=a_place(),
    )
    assert value_of(planned, "--max-model-len") == str(given)


def test_context_shrinks_to_what_the_cache_holds() -> None:
    weights = some_weights(layers=64, kv_heads=64, head_size=128)  # 4 MiB a token
    machine = a_machine(free_bytes=6 * GIB)
    planned = plan_model(a_spec(), weights, machine=machine, place=a_place())
    assert planned.environment["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert value_of(planned, "--max-model-len") == "256"


def test_cache_grows_with_memory_up_to_four_contexts() -> None:
    weights = some_weights(layers=32, kv_heads=32, head_size=128)  # 1 MiB a token
    machine = a_machine(free_bytes=200 * GIB)
    planned = plan_model(a_spec(context_tokens=2048), weights, machine=machine, place=a_place())
    assert planned.environment["VLLM_CPU_KVCACHE_SPACE"] == "8"
    assert planned.needed_bytes > 8 * GIB


def test_a_model_that_does_not_fit_into_memory_is_refused_with_figures() -> None:
    machine = a_machine(free_bytes=8 * GIB)
    with pytest.raises(NotEnoughMemoryError) as refusal:
        plan_model(a_spec(), large_weights(), machine=machine, place=a_place())
    assert str(refusal.value) == ("The model needs about 133.4 GiB of memory, 8.0 GiB are free.")


def test_more_cores_take_more_requests_at_once() -> None:
    planned = plan_model(a_spec(), some_weights(), machine=a_machine(cores=8), place=a_place())
    assert value_of(planned, "--max-num-seqs") == "128"
    assert int(value_of(planned, "--max-num-batched-tokens")) >= 128


def test_a_small_box_computes_on_all_its_cores() -> None:
    assert on_cpu().environment["VLLM_CPU_NUM_OF_RESERVED_CPU"] == "0"


def test_a_larger_box_leaves_a_core_to_the_other_services() -> None:
    planned = plan_model(a_spec(), some_weights(), machine=a_machine(cores=8), place=a_place())
    assert planned.environment["VLLM_CPU_NUM_OF_RESERVED_CPU"] == "1"


def test_a_model_that_fits_on_one_gpu_takes_one() -> None:
    machine = a_machine(gpus=(a_gpu(0), a_gpu(1)))
    planned = plan_model(a_spec(), some_weights(), machine=machine, place=a_place())
    assert value_of(planned, "--tensor-parallel-size") == "1"
    assert planned.environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert planned.environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert value_of(planned, "--gpu-memory-utilization") == "0.90"


def test_a_large_model_is_cut_over_as_many_gpus_as_it_needs() -> None:
    machine = a_machine(gpus=tuple(a_gpu(number) for number in range(8)))
    planned = plan_model(a_spec(), large_weights(), machine=machine, place=a_place())
    assert value_of(planned, "--tensor-parallel-size") == "4"
    assert planned.environment["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


def test_a_model_is_cut_only_where_its_heads_divide() -> None:
    machine = a_machine(gpus=tuple(a_gpu(number) for number in range(8)))
    with pytest.raises(NotEnoughMemoryError):
        plan_model(a_spec(), large_weights(attention_heads=9), machine=machine, place=a_place())


def test_three_gpus_are_used_as_two() -> None:
    machine = a_machine(gpus=tuple(a_gpu(number) for number in range(3)))
    weights = large_weights(weights_bytes=100_000_000_000)
    planned = plan_model(a_spec(), weights, machine=machine, place=a_place())
    assert value_of(planned, "--tensor-parallel-size") == "2"


def test_the_freest_gpu_is_taken() -> None:
    machine = a_machine(gpus=(a_gpu(0, free_gib=10), a_gpu(1, free_gib=70)))
    planned = plan_model(a_spec(), some_weights(), machine=machine, place=a_place())
    assert planned.environment["CUDA_VISIBLE_DEVICES"] == "1"


def test_what_others_hold_of_a_gpu_is_taken_off() -> None:
    machine = a_machine(gpus=(a_gpu(gib=100, free_gib=60),))
    planned = plan_model(a_spec(), some_weights(), machine=machine, place=a_place())
    assert float(value_of(planned, "--gpu-memory-utilization")) == pytest.approx(0.5, abs=0.011)


def test_two_models_share_one_gpu() -> None:
    machine = a_machine(gpus=(a_gpu(),))
    planned = plan_model(a_spec(), some_weights(), machine=machine, place=a_place(models_left=2))
    assert value_of(planned, "--gpu-memory-utilization") == "0.45"


def test_two_models_on_two_gpus_do_not_share() -> None:
    machine = a_machine(gpus=(a_gpu(0), a_gpu(1)))
    planned = plan_model(a_spec(), some_weights(), machine=machine, place=a_place(models_left=2))
    assert value_of(planned, "--gpu-memory-utilization") == "0.90"


def test_a_model_too_large_for_all_gpus_is_refused() -> None:
    with pytest.raises(NotEnoughMemoryError, match="GPU memory"):
        plan_model(a_spec(), large_weights(), machine=a_machine(gpus=(a_gpu(),)), place=a_place())


def test_a_gpu_that_others_fill_is_refused() -> None:
    machine = a_machine(gpus=(a_gpu(free_gib=3),))
    with pytest.raises(NotEnoughMemoryError):
        plan_model(a_spec(), some_weights(), machine=machine, place=a_place())


@pytest.mark.parametrize(("asked", "given"), [(None, "auto"), (4096, "4096"), (99999, "8192")])
def test_context_on_a_gpu(asked: int | None, given: str) -> None:
    planned = plan_model(
        a_spec(context_tokens=asked),
        some_weights(),
        machine=a_machine(gpus=(a_gpu(),)),
        place=a_place(),
    )
    assert value_of(planned, "--max-model-len") == given
