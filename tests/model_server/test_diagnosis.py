import pytest

from model_server.diagnosis import why


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("OSError: [Errno 98] Address already in use", "port"),
        ("Value error, Model architectures ['Foo'] are not supported for now.", "architecture"),
        ("model type `foo` but Transformers does not recognize this architecture.", "architecture"),
        ("max_model_len (99999) is greater than the derived max_model_len (x)", "More context"),
        ("(8/11 GiB) on kv cache allocation is less than requested memory for kv (9", "cache"),
        ("ValueError: Following weights were not initialized from checkpoint: {'x'}", "do not fit"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", "GPU ran out"),
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried", "machine ran out"),
        ("safetensors_rust.SafetensorError: Error while deserializing header", "damaged"),
        ("ModuleNotFoundError: No module named 'vllm'", "no vLLM"),
        ("vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered", "died"),
    ],
)
def test_a_known_cause_is_named(line: str, words: str) -> None:
    assert words in why(["INFO starting", line, "INFO ending"], exit_code=1)


def test_what_explains_most_wins_over_what_follows_from_it() -> None:
    lines = ["EngineDeadError", "[Errno 98] Address already in use"]
    assert "port" in why(lines, exit_code=1)


@pytest.mark.parametrize("code", [-9, 137])
def test_a_kill_from_outside_points_to_memory(code: int) -> None:
    assert "memory runs out" in why([], exit_code=code)


def test_an_unknown_cause_gives_the_exit_code() -> None:
    assert "exit code 3" in why(["nothing of note"], exit_code=3)


def test_silence_is_said() -> None:
    assert why([], exit_code=None) == "vLLM no longer answers."
