"""Shows what is being done: one living line for each step on a terminal, plain lines elsewhere.

Standard library only, because the bootstrap has nothing else, and plain enough for a Python 3.9,
which looks at bundles; the installed program uses the same code, so that all of it looks alike.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

STEPS = (
    "Check this machine",
    "Services environment",
    "Model server environment",
    "Model",
    "Keys, database, first contents",
    "Start the services",
    "Wait until they are ready",
    "Ask a first question",
)
CONTAINER_STEPS = (
    "Check machine and engine",
    "Program environment",
    "Packages",
    "Images",
    "Model",
    "Keys, database, first contents",
    "Start the containers",
    "Wait until they are healthy",
    "Ask a first question",
)
REDRAW_S = 0.1
PLAIN_REPORT_S = 20.0
BAR_CHARS = 20
TITLE_CHARS = max(map(len, STEPS))


@dataclass
class Step:
    """One thing under way. `detail` is shown beside the title, `result` once it is done."""

    title: str
    began: float
    detail: str = ""
    result: str = ""
    watch: Callable[[], str] | None = field(default=None)

    def now(self) -> str:
        """What to show beside the title at this moment."""
        if self.watch is not None:
            return self.watch()
        return self.detail


class Display:
    """Where steps are shown; `live` draws over the last line, else each line stays.

    `steps` are the titles that get numbers, in their order.
    """

    def __init__(
        self, stream: TextIO, *, live: bool, colour: bool, steps: Sequence[str] = STEPS
    ) -> None:
        self._stream = stream
        self._steps = steps
        self._live = live
        self._colour = colour
        encoding = (getattr(stream, "encoding", None) or "ascii").lower()
        self._fancy = encoding.replace("-", "") == "utf8"

    @classmethod
    def on(cls, stream: TextIO, *, steps: Sequence[str] = STEPS) -> Display:
        """Suits a stream: a terminal is drawn on, anything else gets plain lines."""
        live = stream.isatty() and os.environ.get("TERM") != "dumb"
        return cls(stream, live=live, colour=live and not os.environ.get("NO_COLOR"), steps=steps)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Shows a step while the block runs; one of the numbered gets its number."""
        step = Step(title=title, began=time.monotonic())
        done = threading.Event()
        if not self._live:
            self._write(f"{self._place(step)} {step.title} ...\n")
        painter = threading.Thread(target=self._paint, args=(step, done), daemon=True)
        painter.start()
        try:
            yield step
        except BaseException:
            done.set()
            painter.join()
            self._finish(step, good=False)
            raise
        done.set()
        painter.join()
        self._finish(step, good=True)

    def note(self, text: str) -> None:
        """A line between steps, for what a person should know."""
        mark = "•" if self._fancy else "-"
        self._write(f"  {self._paint_in('33', mark)} {text}\n")

    def _paint(self, step: Step, done: threading.Event) -> None:
        frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if self._fancy else "|/-\\"
        turn = 0
        while not done.wait(REDRAW_S if self._live else PLAIN_REPORT_S):
            detail = step.now()
            if self._live:
                mark = self._paint_in("36", frames[turn % len(frames)])
                self._draw(mark, step, detail)
                turn += 1
            elif detail:
                self._write(f"      {detail}\n")

    def _finish(self, step: Step, *, good: bool) -> None:
        if self._live:
            mark = ("✓" if good else "✗") if self._fancy else ("+" if good else "x")
            self._draw(self._paint_in("32" if good else "31", mark), step, step.result)
            self._write("\n")
            return
        taken = duration(time.monotonic() - step.began)
        outcome = (step.result or "done") if good else "FAILED"
        self._write(f"{self._place(step)} {step.title}: {outcome} ({taken})\n")

    def _draw(self, mark: str, step: Step, detail: str) -> None:
        taken = duration(time.monotonic() - step.began)
        head = f" {self._place(step)} {step.title:<{TITLE_CHARS}} "
        # Two columns for the mark before, two spaces and the time after.
        room = shutil.get_terminal_size().columns - len(head) - len(taken) - 6
        shown = detail if len(detail) <= room else detail[: max(room - 1, 0)] + "…"
        dim = self._paint_in("2", taken)
        self._write(f"\r\033[K {mark}{head}{shown:<{max(room, 0)}}  {dim}")

    def _place(self, step: Step) -> str:
        if step.title not in self._steps:
            return "-"
        return f"{self._steps.index(step.title) + 1}/{len(self._steps)}"

    def _paint_in(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._colour else text

    def _write(self, text: str) -> None:
        # What is shown must not decide what is done: a reader that left or a full disk under a log
        # would else turn an upgrade that succeeded into a failure.
        try:
            self._put(text)
        except BrokenPipeError:
            _forget_reader(self._stream)
        except OSError:
            pass

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            self._stream.write(text.encode("ascii", "replace").decode("ascii"))
        self._stream.flush()


def _forget_reader(stream: TextIO) -> None:
    """Lets the rest go nowhere; else what the stream still holds fails when Python ends."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def duration(seconds: float) -> str:
    """A time as a person reads it."""
    if seconds < 60:  # noqa: PLR2004  # a minute
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def size(count: float) -> str:
    """A number of bytes as a person reads it, in powers of ten as pip and disks count."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{int(count)} bytes"


class Bytes:
    """Counts bytes of a known total, and shows them beside a step: a bar, how many, how fast."""

    def __init__(self, step: Step, total: int) -> None:
        self._total = total
        self._done = 0
        self._began = time.monotonic()
        step.watch = self.text

    def __call__(self, count: int) -> None:
        """Takes in that so many more are done."""
        self._done += count

    def text(self) -> str:
        """What stands beside the step now."""
        part = self._done / self._total if self._total else 1.0
        filled = min(int(part * BAR_CHARS), BAR_CHARS)
        speed = self._done / max(time.monotonic() - self._began, REDRAW_S)
        bar = "#" * filled + "-" * (BAR_CHARS - filled)
        return f"[{bar}] {size(self._done)} of {size(self._total)}, {size(speed)}/s"


def complain(sentence: str) -> None:
    """One line for each sentence on standard error."""
    for line in sentence.splitlines():
        print(f"casemate: {line}", file=sys.stderr)
