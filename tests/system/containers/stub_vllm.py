"""Stands in for vLLM within the image of the model server: OpenAI's protocol, and no model.

A build of vLLM is a gigabyte; what is tested here is everything around it. Takes vLLM's arguments
and knows those it needs. Standard library only.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ("Yes", ",", " from", " the", " stand", "-", "in", ".")
USAGE = {"prompt_tokens": 7, "completion_tokens": len(WORDS), "total_tokens": 7 + len(WORDS)}
PACE_S = 0.02
BROKEN = "broken-model"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--served-model-name", required=True)
    return parser.parse_known_args()[0]


def answer(asked: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The frame that all answers share; `changes` are those of its one choice."""
    is_chat = "messages" in asked
    kind = "chat.completion" if is_chat else "text_completion"
    choice = {"index": 0, "finish_reason": None, **changes}
    return {
        "id": "cmpl-stub",
        "object": f"{kind}.chunk" if is_chat and asked.get("stream") else kind,
        "created": int(time.time()),
        "model": asked["model"],
        "choices": [choice],
    }


def said(asked: dict[str, Any], text: str) -> dict[str, Any]:
    """A choice's text, where this kind of question has it."""
    if "messages" not in asked:
        return {"text": text}
    part = "delta" if asked.get("stream") else "message"
    return {part: {"role": "assistant", "content": text}}


def frames(asked: dict[str, Any]) -> Iterator[str]:
    for word in WORDS[: asked.get("max_tokens") or len(WORDS)]:
        yield json.dumps(answer(asked, **said(asked, word)))
        time.sleep(PACE_S)
    yield json.dumps(answer(asked, **said(asked, ""), finish_reason="stop"))
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield json.dumps({**answer(asked), "choices": [], "usage": USAGE})
    yield "[DONE]"


class Handler(BaseHTTPRequestHandler):
    """One client's questions."""

    protocol_version = "HTTP/1.1"
    model = ""
    key = ""

    def do_GET(self) -> None:
        if self.path == "/health":
            self._whole(200, None)
        elif self._is_known() and self.path == "/v1/models":
            self._whole(200, {"object": "list", "data": [{"id": self.model, "object": "model"}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._is_known():
            return
        asked = json.loads(body)
        if asked.get("model") != self.model:
            self._whole(404, {"error": {"message": "no such model", "code": 404}})
        elif asked.get("stream"):
            self._stream(asked)
        else:
            whole = answer(asked, **said(asked, "".join(WORDS)), finish_reason="stop")
            self._whole(200, {**whole, "usage": USAGE})

    def _is_known(self) -> bool:
        known = self.headers["Authorization"] == f"Bearer {self.key}"
        if not known:
            self._whole(401, {"error": "Unauthorized"})
        return known

    def _whole(self, status: int, content: object) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for frame in frames(asked):
            event = f"data: {frame}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    log_message: Callable[..., None] = lambda *_: None


def main() -> None:
    options = parse()
    if options.served_model_name == BROKEN:
        sys.exit("the stand-in was told to end")
    Handler.model, Handler.key = options.served_model_name, os.environ["VLLM_API_KEY"]
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer((options.host, options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
