from pathlib import Path

import msgspec
import pytest

from gateway.errors import StateError
from gateway.issuer.pins import load_pin, parse_pin, save_pin
from tests.builders import a_feed_key, base64url

GOOD = {
    "instance_id": "i",
    "feed_key": base64url(a_feed_key().public_key().public_bytes_raw()),
    "issuer": "http://instance.test",
    "instance_url": "http://127.0.0.1:8080",
}


def test_a_pin_is_kept_whole_and_private(tmp_path: Path) -> None:
    pin = parse_pin(msgspec.json.encode(GOOD))
    save_pin(tmp_path / "gateway", pin)
    assert load_pin(tmp_path / "gateway") == pin
    assert (tmp_path / "gateway" / "instance.json").stat().st_mode & 0o077 == 0


def test_an_unregistered_gateway_has_no_pin(tmp_path: Path) -> None:
    assert load_pin(tmp_path) is None


@pytest.mark.parametrize(
    "change",
    [{"feed_key": "short"}, {"instance_url": "ftp://x"}, {"issuer": 5}, {"extra": 1}],
)
def test_a_pin_that_cannot_be_used_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(StateError, match="not a usable pin"):
        parse_pin(msgspec.json.encode({**GOOD, **change}))
