import sys
from datetime import timedelta

import pytest

from install.config import Config, save
from install.places import Places
from install.timed import __main__ as program
from install.tls.issuing import LIFE, Certificate
from tests.certificate_builders import NOW


class EndError(Exception):
    """Ends the loop after so many looks."""


def test_it_renews_when_due_and_is_silent_otherwise(places: Places) -> None:
    save(places.config, Config(tls=True))
    assert program.renew(places, now=NOW) == "renewed: authority, instance, gateway"
    assert program.renew(places, now=NOW + LIFE / 2) == ""
    assert program.renew(places, now=NOW + LIFE) == "renewed: instance, gateway"
    ends_at = Certificate.read(places.certificate("gateway").read_bytes()).ends_at
    assert ends_at > NOW + LIFE + timedelta(days=396)


def test_what_cannot_be_renewed_is_said_and_tried_again(places: Places) -> None:
    save(places.config, Config(ca="/none/ca.pem"))
    assert program.renew(places, now=NOW).startswith("not renewed: /none/ca.pem")
    places.config.write_text("{")
    assert program.renew(places, now=NOW).startswith("not renewed: ")
    places.config.unlink()
    assert program.renew(places, now=NOW) == ""


def test_it_looks_again_and_again(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(places.config, Config(tls=True))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            raise EndError

    monkeypatch.setattr(sys, "argv", ["timed", "--every", "5"])
    (places.home / "backup.json").write_text("{")
    with pytest.raises(EndError):
        program.main(sleep=sleep, clock=lambda: NOW + len(slept) * program.RENEW_EVERY / 2)
    assert slept == [5.0] * 4
    out = capsys.readouterr().out
    assert (out.count("renewed"), out.count("no backup made")) == (1, 4)


def test_a_log_on_a_full_disk_ends_nothing(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def end(_seconds: float) -> None:
        raise EndError

    save(places.config, Config(tls=True))
    monkeypatch.setattr(sys, "argv", ["timed"])
    monkeypatch.setattr("builtins.print", full)
    with pytest.raises(EndError):
        program.main(sleep=end, clock=lambda: NOW)
