import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model_server.egress import sitecustomize
from model_server.egress.sitecustomize import Hook, LeavingRefusedError
from model_server.launch import watched_environment


def lines(ledger: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ledger.read_text().splitlines()]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "vllm.jsonl"


@pytest.fixture
def hook(ledger: Path) -> Hook:
    return Hook(ledger, service="vllm", host="10.0.0.5")


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("socket.connect", (None, ("127.0.0.1", 80))),
        ("socket.connect", (None, ("::1", 80, 0, 0))),
        ("socket.connect", (None, ("::ffff:127.0.0.1", 80))),
        ("socket.connect", (None, ("0.0.0.0", 80))),  # noqa: S104  # connected to
        ("socket.connect", (None, ("10.0.0.5", 80))),
        ("socket.connect", (None, ("localhost", 80))),
        ("socket.connect", (None, "/run/some.sock")),
        ("socket.sendmsg", (None, None)),
        ("socket.getaddrinfo", ("localhost", 80)),
        ("socket.getaddrinfo", (None, 80)),
        ("socket.getaddrinfo", (b"198.51.100.7", 80)),
        ("socket.getaddrinfo", (os.uname().nodename, 80)),
        ("socket.gethostbyaddr", ("127.0.0.1",)),
        ("socket.getnameinfo", (("127.0.0.1", 80),)),
        ("socket.bind", (None, ("198.51.100.7", 80))),
    ],
)
def test_what_stays_here_passes(
    hook: Hook, ledger: Path, event: str, args: tuple[object, ...]
) -> None:
    hook(event, args)
    assert not ledger.exists()


@pytest.mark.parametrize(
    ("event", "args", "expected"),
    [
        ("socket.connect", (None, ("198.51.100.7", 443)), ("connect", "198.51.100.7", 443)),
        ("socket.connect", (None, ("10.0.0.6", 443)), ("connect", "10.0.0.6", 443)),
        ("socket.sendto", (None, ("198.51.100.7", 53)), ("send", "198.51.100.7", 53)),
        (
            "socket.getaddrinfo",
            ("huggingface.example", 1),
            ("look-up", "huggingface.example", None),
        ),
        ("socket.getaddrinfo", (b"stats.example", 1), ("look-up", "stats.example", None)),
        ("socket.gethostbyaddr", ("198.51.100.7",), ("look-up", "198.51.100.7", None)),
        ("socket.getnameinfo", (("198.51.100.7", 1),), ("look-up", "198.51.100.7", None)),
    ],
)
def test_what_leaves_is_refused_and_kept(
    hook: Hook, ledger: Path, event: str, args: Any, expected: tuple[object, ...]
) -> None:
    with pytest.raises(LeavingRefusedError, match="nothing leaves"):
        hook(event, args)
    [line] = lines(ledger)
    assert (line["what"], line["host"], line["port"]) == expected
    assert (line["service"], line["outcome"]) == ("vllm", "refused")
    assert any("test_what_leaves_is_refused_and_kept" in name for name in line["by"])


def test_it_is_refused_even_when_it_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    hook = Hook(tmp_path / "kept" / "vllm.jsonl", service="vllm", host="")
    with pytest.raises(LeavingRefusedError):
        hook("socket.connect", (None, ("198.51.100.7", 443)))


def test_it_takes_no_more_room_than_two_files(
    hook: Hook, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitecustomize, "MOST_BYTES", 2000)
    for _ in range(50):
        with pytest.raises(LeavingRefusedError):
            hook("socket.connect", (None, ("198.51.100.7", 443)))
    assert len(list(ledger.parent.iterdir())) <= 2
    assert sum(path.stat().st_size for path in ledger.parent.iterdir()) < 6000


# Like vLLM: a process that spawns one, and begins another with a fresh interpreter.
LIKE_VLLM = """
import multiprocessing, socket, subprocess, sys

def attempt(port):
    with socket.socket() as way:
        try:
            way.connect(("198.51.100.7", port))
        except PermissionError as error:
            print(error.strerror, flush=True)

if __name__ == "__main__":
    attempt(1)
    for number, method in enumerate(("fork", "spawn"), start=2):
        child = multiprocessing.get_context(method).Process(target=attempt, args=(number,))
        child.start()
        child.join()
    fresh = "import socket; socket.create_connection(('198.51.100.7', 4), timeout=1)"
    subprocess.run([sys.executable, "-c", fresh], stderr=subprocess.DEVNULL)
"""


@pytest.mark.planted_egress("198.51.100.7")
def test_each_process_of_what_is_started_with_it_is_watched(tmp_path: Path, ledger: Path) -> None:
    program = tmp_path / "like_vllm.py"
    program.write_text(LIKE_VLLM)
    environment = {"PATH": os.environ["PATH"], **watched_environment(ledger, host="127.0.0.1")}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=True
    )
    sentence = "A connect to 198.51.100.7 was refused: nothing leaves here"
    assert done.stdout.splitlines() == [sentence] * 3
    kept = lines(ledger)
    assert [line["port"] for line in kept] == [1, 2, 3, 4]
    assert len({line["pid"] for line in kept}) == 4


@pytest.mark.planted_egress("198.51.100.7")
def test_a_process_of_ours_is_watched_once(tmp_path: Path) -> None:
    program = (
        "import socket\n"
        "from pathlib import Path\n"
        "from model_server.egress.sitecustomize import watch\n"
        f"for _ in range(2): watch(Path({str(tmp_path)!r}) / 'x.jsonl', service='x', host='')\n"
        "socket.create_connection(('198.51.100.7', 1))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "LeavingRefusedError" in done.stderr
    assert [line["service"] for line in lines(tmp_path / "x.jsonl")] == ["x"]


def test_the_hook_is_not_asked_of_an_own_socket(hook: Hook) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        hook("socket.connect", (own, b"\x00abstract"))
