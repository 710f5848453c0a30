import io
import json

import pytest
import structlog

from model_server.logs import PatientOutput, configure


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        configure()
        structlog.get_logger().info("model_ready", model="m")
    finally:
        structlog.reset_defaults()
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["model"], line["level"]) == ("model_ready", "m", "info")


def test_a_reader_that_has_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = io.StringIO()
    gone.close()
    monkeypatch.setattr("sys.stdout", gone)
    PatientOutput().msg("to nobody")
