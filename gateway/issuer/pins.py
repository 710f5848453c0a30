"""Which instance this gateway trusts, pinned when it is registered."""

from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.contract.addresses import EndpointRefusedError, parse_endpoint
from gateway.errors import StateError
from gateway.issuer.identity import decode
from gateway.issuer.private_files import write_private

PIN_FILE = "instance.json"


class Pin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trusted instance.

    `issuer` is the exact `iss` of its tokens; `instance_url` is where the gateway itself calls it;
    `feed_key` is the Ed25519 public key that signs its feed, raw, base64url.
    """

    instance_id: str
    feed_key: str
    issuer: str
    instance_url: str

    def verification_key(self) -> Ed25519PublicKey:
        """The feed key, ready to verify with."""
        return Ed25519PublicKey.from_public_bytes(decode(self.feed_key))


def parse_pin(text: bytes) -> Pin:
    """Reads a pin.

    Raises:
        StateError: it is not one; the reason says what is wrong.
    """
    try:
        pin = msgspec.json.decode(text, type=Pin)
        pin.verification_key()
        parse_endpoint(pin.instance_url)
    except (msgspec.DecodeError, EndpointRefusedError, ValueError) as cause:
        raise StateError(reason=f"not a usable pin: {cause}") from cause
    return pin


def load_pin(folder: Path) -> Pin | None:
    """The pinned instance; None before registration, StateError for a broken file."""
    try:
        text = (folder / PIN_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return parse_pin(text)


def save_pin(folder: Path, pin: Pin) -> None:
    """Replaces the pin, whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / PIN_FILE, msgspec.json.format(msgspec.json.encode(pin)))
