import errno
import io
import os
import threading

import pytest

from install.progress import STEPS, Bytes, Display, Step, complain, duration, size


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class AsciiOnly(io.StringIO):
    encoding = "ascii"


class Broken(io.StringIO):
    """A stream that takes nothing: what stood on a disk that is full now."""

    def __init__(self, *, fails_at: str) -> None:
        super().__init__()
        setattr(self, fails_at, self._fail)

    def _fail(self, *_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_finished_step_stays_as_one_plain_line() -> None:
    stream = io.StringIO()
    with Display.on(stream).step(STEPS[1]) as step:
        step.result = "65 packages"
    lines = stream.getvalue().splitlines()
    assert lines[0] == "2/8 Services environment ..."
    assert lines[1].startswith("2/8 Services environment: 65 packages (0.")


def test_a_failed_step_is_marked() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="no"), Display.on(stream).step("Else"):
        raise ValueError("no")
    assert "- Else: FAILED" in stream.getvalue()


@pytest.mark.parametrize("fails_at", ["write", "flush"])
@pytest.mark.parametrize("live", [True, False])
def test_what_cannot_be_shown_fails_nothing(fails_at: str, live: bool) -> None:
    display = Display(Broken(fails_at=fails_at), live=live, colour=False)
    with display.step(STEPS[0]) as step:
        step.result = "well"
    display.note("something")


def test_a_reader_that_left_fails_nothing_and_not_the_end_of_the_program() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        with Display.on(stream).step(STEPS[0]):
            pass
        stream.write("as Python flushes it when it ends")


def test_a_terminal_gets_one_living_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    drawn = threading.Event()
    with Display.on(stream).step(STEPS[0]) as step:
        step.watch = lambda: drawn.set() or "half way"  # type: ignore[func-returns-value]
        drawn.wait(30)
        step.result = "well"
    text = stream.getvalue()
    assert "half way" in text
    assert "✓" in text.splitlines()[-1]
    assert text.count("\n") == 1


def test_a_long_detail_is_cut_to_the_terminals_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with Display.on(stream).step(STEPS[0]) as step:
        step.result = "x" * 500
    last = stream.getvalue().rpartition("\r")[2].removeprefix("\033[K").rstrip("\n")
    assert len(last) <= 60
    assert "…" in last


def test_a_stream_that_knows_ascii_only_gets_ascii() -> None:
    stream = AsciiOnly()
    display = Display(stream, live=True, colour=False)
    with display.step(STEPS[0]):
        pass
    display.note("something")
    assert stream.getvalue().isascii()


def test_a_step_shows_its_detail_until_it_watches() -> None:
    step = Step(title="x", began=0, detail="a")
    assert step.now() == "a"
    step.watch = lambda: "b"
    assert step.now() == "b"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (125, "2 min 05 s")]
)
def test_times_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(5, "5 bytes"), (1500, "1.5 kB"), (98e6, "98.0 MB"), (2.1e9, "2.1 GB")]
)
def test_sizes_read_well(count: float, text: str) -> None:
    assert size(count) == text


def test_each_sentence_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("One.\nTwo.")
    assert capsys.readouterr().err == "casemate: One.\ncasemate: Two.\n"


def test_bytes_show_how_far_they_are() -> None:
    step = Step(title="Digests", began=0.0)
    count = Bytes(step, 4_000_000)
    count(1_000_000)
    count(1_000_000)
    assert step.now().startswith("[##########----------] 2.0 MB of 4.0 MB, ")


def test_nothing_to_count_is_all_of_it() -> None:
    step = Step(title="Digests", began=0.0)
    assert Bytes(step, 0).text().startswith(f"[{'#' * 20}] 0 bytes")
