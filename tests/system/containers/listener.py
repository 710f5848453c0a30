"""What listens outside, or on the host: answers TCP, UDP and DNS, and notes every packet that came.

One JSON object a line goes to the file it is given. Standard library only.
"""

import json
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ETHERNET_ALL = 3
OUTGOING = 4
IPV4, IPV6 = 0x0800, 0x86DD
ICMPV6, ECHO_REQUEST_V6 = 58, 128
GREETING = b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\nreached\n"


class Notes:
    """Appends what happened, whole lines only."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def add(self, **facts: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(facts) + "\n")
            self._file.flush()


def a_socket(kind: socket.SocketKind, port: int) -> socket.socket:
    """Listens on every address, IPv4 and IPv6."""
    made = socket.socket(socket.AF_INET6, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    made.bind(("::", port))
    return made


def answer_from_where_it_came(
    listening: socket.socket, notes: Notes, answer: Callable[[bytes], tuple[bytes, dict[str, Any]]]
) -> None:
    """A machine with several addresses must answer a datagram from the one that was asked."""
    while True:
        text, about, _, peer = listening.recvmsg(2048, 256)
        reply, facts = answer(text)
        notes.add(source=plain(peer[0]), **facts)
        listening.sendmsg(
            [reply], [(level, kind, data[:16] + bytes(4)) for level, kind, data in about], 0, peer
        )


def plain(address: str) -> str:
    return address.removeprefix("::ffff:")


def asked_name(question: bytes) -> str:
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode(errors="replace"))
        at += question[at] + 1
    return ".".join(labels)


def answered(question: bytes) -> bytes:
    """The question with its response and "no such name" bits set: an answer is all that counts."""
    return question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + question[12:]


def serve_http(port: int, notes: Notes) -> None:
    listening = a_socket(socket.SOCK_STREAM, port)
    listening.listen(64)
    while True:
        came, peer = listening.accept()
        notes.add(kind="tcp", source=plain(peer[0]), port=port)
        came.settimeout(1)
        try:
            came.recv(1024)
            came.sendall(GREETING)
        except OSError:
            pass
        came.close()


def serve_echo(port: int, notes: Notes) -> None:
    listening = a_socket(socket.SOCK_DGRAM, port)
    answer_from_where_it_came(listening, notes, lambda text: (text, {"kind": "udp", "port": port}))


def serve_dns(port: int, notes: Notes) -> None:
    listening = a_socket(socket.SOCK_DGRAM, port)
    answer_from_where_it_came(
        listening,
        notes,
        lambda question: (answered(question), {"kind": "dns", "name": asked_name(question)}),
    )


def serve_dns_tcp(port: int, notes: Notes) -> None:
    listening = a_socket(socket.SOCK_STREAM, port)
    listening.listen(64)
    while True:
        came, peer = listening.accept()
        came.settimeout(1)
        try:
            question = came.recv(2048)[2:]
            notes.add(kind="dns", source=plain(peer[0]), name=asked_name(question))
            answer = answered(question)
            came.sendall(len(answer).to_bytes(2, "big") + answer)
        except (OSError, IndexError):
            pass
        came.close()


def is_neighbour_talk(packet: bytes) -> bool:
    """Who-is-there and multicast reports: the kernel sends them by itself, to its link only."""
    hop_by_hop = packet[6] == 0
    return hop_by_hop or (packet[6] == ICMPV6 and packet[40] != ECHO_REQUEST_V6)


def watch_packets(interface: str, notes: Notes) -> None:
    """Every IP packet that arrives, but for the neighbour talk of IPv6."""
    watching = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETHERNET_ALL))
    watching.bind((interface, ETHERNET_ALL))
    while True:
        packet, (_, protocol, direction, *_rest) = watching.recvfrom(2048)
        if direction == OUTGOING:
            continue
        if protocol == IPV4:
            source, goal, carried = packet[12:16], packet[16:20], packet[9]
            family = socket.AF_INET
        elif protocol == IPV6 and not is_neighbour_talk(packet):
            source, goal, carried = packet[8:24], packet[24:40], packet[6]
            family = socket.AF_INET6
        else:
            continue
        addresses = {
            "source": socket.inet_ntop(family, source),
            "goal": socket.inet_ntop(family, goal),
        }
        notes.add(kind="packet", protocol=carried, **addresses)


def main() -> None:
    """`listener.py NOTES PORT [dns] [INTERFACE]`: with an interface it notes packets too."""
    notes, port, more = Notes(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3:]
    parts: list[tuple[Any, ...]] = [(serve_http, port), (serve_echo, port)]
    if "dns" in more:
        parts += [(serve_dns, 53), (serve_dns_tcp, 53)]
    parts += [(watch_packets, each) for each in more if each != "dns"]
    for part, argument in parts:
        threading.Thread(target=part, args=(argument, notes), daemon=True).start()
    print("listening", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
