"""Runs inside a container as its service: answers HTTP, and from its first moment tries to get out.

What it sends counts for nothing unless it arrives: a listener that noted nothing shows that there
was no moment without a lock. Standard library only.
"""

import contextlib
import http.server
import json
import socket
import sys
import threading
import time

PAUSE_S = 0.02
DEFAULT = "00000000"


def way_out() -> list[str]:
    """Where the default route leads: the host's address on the bridge."""
    found = []
    with open("/proc/net/route", encoding="ascii") as routes:  # noqa: PTH123  # bare and early
        for line in routes:
            fields = line.split()
            if fields[1] == DEFAULT:
                found.append(socket.inet_ntoa(bytes.fromhex(fields[2])[::-1]))
    return found


def keep_trying(addresses: list[str], port: int) -> None:
    while True:
        for address in (*addresses, *way_out()):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as made:
                made.setblocking(False)
                made.sendto(b"anyone there?", (address, port))
        time.sleep(PAUSE_S)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "8")
        self.end_headers()
        self.wfile.write(b"reached\n")

    def log_message(self, *_: object) -> None:
        """The container's log stays empty."""


def main() -> None:
    """`restless.py PORT ADDRESSES PORT_OUTSIDE`; the addresses are a JSON list."""
    port, addresses, port_outside = int(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
    threading.Thread(target=keep_trying, args=(addresses, port_outside), daemon=True).start()
    http.server.ThreadingHTTPServer(("", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
