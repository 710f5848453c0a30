"""A child process that speaks as much of vLLM's server as the model server asks of it.

Run as a program in vLLM's place; it takes vLLM's arguments and knows those it needs. Its own
arguments make it misbehave.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ANSWER = b'{"object":"text_completion","choices":[{"index":0,"text":" there"}]}'
REFUSAL = b'{"error":"Unauthorized"}'


def command(*misbehaviour: str) -> tuple[str, ...]:
    """What stands in for vLLM's own command."""
    return (sys.executable, "-I", str(Path(__file__)), *misbehaviour)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--served-model-name", default="m")
    parser.add_argument("--say", default="", help="a line to print before all else")
    parser.add_argument("--die", action="store_true", help="end with code 1 instead of listening")
    parser.add_argument("--hang", action="store_true", help="never listen")
    parser.add_argument("--deaf", action="store_true", help="go on after SIGTERM")
    parser.add_argument("--grandchild", action="store_true", help="start a process that stays")
    parser.add_argument("--ill-while", type=Path, default=None, help="503 while this file exists")
    return parser.parse_known_args()[0]


def handler(options: argparse.Namespace) -> type[BaseHTTPRequestHandler]:
    key = os.environ.get("VLLM_API_KEY", "")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ill = options.ill_while is not None and options.ill_while.exists()
            self._answer(503 if ill else 200, b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Authorization"] != f"Bearer {key}":
                self._answer(401, REFUSAL)
            elif f'"{options.served_model_name}"'.encode() not in body:
                self._answer(404, b"{}")
            else:
                self._answer(200, ANSWER)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        log_message: Callable[..., None] = lambda *_: None

    return Handler


def main() -> int:
    options = parse()
    if options.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.grandchild:
        child = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(600)"])
        print("grandchild", child.pid, flush=True)
    if options.say:
        print(options.say, flush=True)
    print("environment", *sorted(os.environ), flush=True)
    if options.die:
        return 1
    if options.hang:
        while True:
            time.sleep(600)
    ThreadingHTTPServer((options.host, options.port), handler(options)).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
