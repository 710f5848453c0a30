"""Runs inside a container: tries every way out at once and says how each ended.

Reads a JSON list of attempts from its first argument, prints one JSON object: what each came to.
Standard library only, since it is handed to whatever Python the image has.
"""

import json
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

PATIENCE_S = 2.0
ECHO, ECHO_V6 = 8, 128


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def dns_question(name: str) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return b"\x12\x34\x01\x00\x00\x01" + bytes(6) + labels + b"\x00\x00\x01\x00\x01"


def try_tcp(attempt: dict[str, Any]) -> str:
    address = (attempt["host"], attempt["port"])
    with socket.create_connection(address, timeout=PATIENCE_S) as made:
        made.settimeout(PATIENCE_S)
        made.sendall(b"GET / HTTP/1.0\r\n\r\n")
        # docker-proxy accepts before it knows whether anything is behind it.
        return "through" if made.recv(64) else "closed"


def try_udp(attempt: dict[str, Any]) -> str:
    with socket.socket(family_of(attempt["host"]), socket.SOCK_DGRAM) as made:
        made.settimeout(PATIENCE_S)
        made.connect((attempt["host"], attempt["port"]))
        made.send(b"anyone there?")
        return "through" if made.recv(64) else "empty"


def try_dns(attempt: dict[str, Any]) -> str:
    with socket.socket(family_of(attempt["host"]), socket.SOCK_DGRAM) as made:
        made.settimeout(PATIENCE_S)
        made.connect((attempt["host"], 53))
        made.send(dns_question(attempt["name"]))
        return "through" if made.recv(512) else "empty"


def try_dns_tcp(attempt: dict[str, Any]) -> str:
    question = dns_question(attempt["name"])
    with socket.create_connection((attempt["host"], 53), timeout=PATIENCE_S) as made:
        made.settimeout(PATIENCE_S)
        made.sendall(len(question).to_bytes(2, "big") + question)
        return "through" if made.recv(512) else "empty"


def try_resolver(attempt: dict[str, Any]) -> str:
    """Asks as any program does; an answer from outside may only say that there is no such name."""
    return str(socket.getaddrinfo(attempt["name"], 80)[0][4][0])


def try_ping(attempt: dict[str, Any]) -> str:
    family = family_of(attempt["host"])
    is_v6 = family == socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if is_v6 else socket.IPPROTO_ICMP
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as made:
        made.settimeout(PATIENCE_S)
        made.connect((attempt["host"], 0))
        made.send(struct.pack("!BBHHH", ECHO_V6 if is_v6 else ECHO, 0, 0xF7FF, 0, 0))
        return "through" if made.recv(64) else "empty"


WAYS: dict[str, Callable[[dict[str, Any]], str]] = {
    "tcp": try_tcp,
    "udp": try_udp,
    "dns": try_dns,
    "dns_tcp": try_dns_tcp,
    "resolver": try_resolver,
    "ping": try_ping,
}


def run(attempt: dict[str, Any], outcomes: dict[str, str]) -> None:
    try:
        outcomes[attempt["label"]] = WAYS[attempt["way"]](attempt)
    except ConnectionRefusedError:
        outcomes[attempt["label"]] = "refused"
    except OSError as failure:
        outcomes[attempt["label"]] = f"{type(failure).__name__}: {failure}"


def main() -> None:
    """What has not ended after twice the patience counts as never ended."""
    attempts = json.loads(sys.argv[1])
    outcomes = {attempt["label"]: "no end" for attempt in attempts}
    threads = [
        threading.Thread(target=run, args=(attempt, outcomes), daemon=True) for attempt in attempts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_S)
    print(json.dumps(dict(outcomes)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
