"""Stand-ins for the three parts: the set-up commands and HTTP surfaces that the installer meets.

Run as a program in the place of `python -P -m appliance|gateway|model_server …`; its state lies
where the real ones keep theirs. A file `HOME/stand_in.json` can make it misbehave.
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "casemate-pat-stand-in"
INSTANCE_ID = "6f0dd1d8-9c1c-4a5c-8c34-7a5d2f3a3b11"
UNLICENSED: dict[str, Any] = {
    "instance_id": INSTANCE_ID,
    "authority": None,
    "is_demo": False,
    "licences": [],
}
EXPLAINED = "/api/v4/ai/explanations"
OFFERED = "/api/v4/ai/offered_models"
KEY_NEEDED = {
    "message": (
        "api_key: is kept for the server that it was given for: for an endpoint on another server "
        "it must be given again, or removed"
    ),
    "code": "invalid_fields",
}
PURCHASES = "/api/v4/ai/add_on_purchases"
PROBED = ("address", "models", "answer", "stream")


def home() -> Path:
    return Path(os.environ.get("CASEMATE_HOME", "no home"))


def wish(name: str) -> Any:
    path = home() / "stand_in.json"
    return json.loads(path.read_text()).get(name) if path.exists() else None


class Surface(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Nothing is to be logged."""

    def answer(self, status: int, body: object) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        data = b"" if body is None else text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")


def probes(fault: str | None) -> list[dict[str, Any]]:
    """What a check finds: nothing wrong, or a fault of that code at the second step."""
    fine = {"success": True, "code": "ok", "fix": None}
    steps = [{"name": each, "message": f"{each} is fine.", **fine} for each in PROBED]
    if fault is None:
        return steps
    last = {"success": False, "code": fault, "message": "It is wrong.", "fix": "Mend it."}
    return [*steps[:1], {**steps[1], **last}]


class InstanceSurface(Surface):
    models: tuple[dict[str, Any], ...] = ()
    # What access tokens were asked for last.
    wished: Any = None

    def do_GET(self) -> None:
        told = (wish("answers") or {}).get(self.path.partition("?")[0])
        if told is not None:
            self.answer(*told)
        elif self.path == "/-/readiness":
            self.answer(503 if wish("instance_down") else 200, {})
        elif self.allowed():
            self.answer(200, self.found(self.path.partition("?")[0]))

    def found(self, path: str) -> object:
        if path == EXPLAINED:
            failed = {"name": "licence", "state": "failed", "sentence": "Nothing is bought."}
            code = wish("explained") or "feature_not_granted"
            refused = {"verdict": "refused", "code": code, "checks": [failed]}
            is_refused = wish("unlicensed") or wish("explained")
            return refused if is_refused else {"verdict": "permitted", "code": None}
        if path == OFFERED:
            return {"models": wish("offered") or [], "sync": wish("sync")}
        if path == PURCHASES:
            return [{"is_demo": not wish("unlicensed"), "purchased_quantity": 10}]
        return list(self.models)

    def do_POST(self) -> None:
        body = self.body()
        if not self.allowed():
            return
        if self.path == "/api/v4/ai/access_tokens":
            InstanceSurface.wished = body
            headers = {"X-Gitlab-Realm": "self-managed"}
            minted = {"token": "access", "expires_at": int(time.time()) + 900}
            self.answer(201, {**minted, "base_url": "http://127.0.0.1", "headers": headers})
        elif self.path == f"{OFFERED}/sync":
            state = wish("sync")
            is_good = state["failure"] is None
            self.answer(200, {"succeeded": is_good, "changes": wish("changes"), "sync": state})
        elif self.path.endswith("/check"):
            self.answer(200, {"probes": probes(wish("endpoint_fault"))})
        elif body.get("endpoints", [""])[0].startswith("http://8."):
            refusal = {"message": {"endpoint": "is outside"}, "code": "endpoint_refused"}
            self.answer(400, refusal)
        else:
            has_key = bool(body.pop("api_key", None))
            made = {"id": len(self.models) + 1, "provider": "shm", **body, "has_api_key": has_key}
            InstanceSurface.models = (*self.models, made)
            self.answer(201, made)

    def do_PUT(self) -> None:
        number, body = int(self.path.rpartition("/")[2]), self.body()
        had_key = any(each["has_api_key"] for each in self.models if each["id"] == number)
        if had_key and "endpoints" in body and "api_key" not in body:
            self.answer(400, KEY_NEEDED)
            return
        if "api_key" in body:
            body["has_api_key"] = bool(body.pop("api_key"))
        changed = [{**each, **body} for each in self.models if each["id"] == number]
        InstanceSurface.models = tuple(
            {**each, **body} if each["id"] == number else each for each in self.models
        )
        self.answer(200, changed[0])

    def do_DELETE(self) -> None:
        path, _, query = self.path.partition("?")
        if wish("model_in_use") and query != "reroute=true":
            refusal = {"message": "The model is used by 2 groups.", "code": "model_in_use"}
            self.answer(409, refusal)
            return
        number = int(path.rpartition("/")[2])
        InstanceSurface.models = tuple(each for each in self.models if each["id"] != number)
        self.answer(204, None)

    def allowed(self) -> bool:
        if self.headers.get("PRIVATE-TOKEN") == TOKEN:
            return True
        self.answer(401, {"message": "401 Unauthorized", "code": "invalid_token"})
        return False


class GatewaySurface(Surface):
    def do_GET(self) -> None:
        self.answer(*(wish("gateway_answers") or {}).get(self.path, (200, {})))

    def do_POST(self) -> None:
        body = self.body()
        if not body.get("stream"):
            tokens = 0 if wish("no_tokens") else 1
            self.answer(*(wish("gateway_says") or (200, {"usage": {"completion_tokens": tokens}})))
            return
        refusal = wish("gateway_refuses")
        if refusal:
            said = {"message": f"The model {body['model']} is away.", "code": refusal}
            self.answer(503, {"error": {**said, "type": "api_error", "param": None}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        words = [] if wish("no_tokens") else ["A ", "network ", "joins ", "computers."]
        for word in words:
            self.event({"choices": [{"index": 0, "delta": {"content": word}}]})
            time.sleep(0.001)
        usage = {"prompt_tokens": 9, "completion_tokens": len(words), "total_tokens": 13}
        self.event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, fields: dict[str, Any]) -> None:
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        self.wfile.write(f"data: {json.dumps({**chunk, **fields})}\n\n".encode())


def serve(surface: type[Surface], port: int) -> ThreadingHTTPServer:
    ThreadingHTTPServer.daemon_threads = True
    return ThreadingHTTPServer(("127.0.0.1", port), surface)


def serve_model() -> None:
    folder = home() / "model_server"
    spec = json.loads((folder / "models.json").read_text())[0]
    state = {"ref": spec["ref"], "port": 1, "pid": os.getpid(), "restarts": 0, "since": 1}
    state |= wish("model_state") or {"state": "ready", "reason": None}
    (folder / "state.json").write_text(json.dumps({"models": [state]}))
    signal.pause()


def init(answers: dict[str, Any]) -> dict[str, Any]:
    marker = home() / "instance" / "casemate.db"
    before = json.loads(marker.read_text()) if marker.exists() else None
    marker.write_text(json.dumps(answers["model"]))
    if before is None:
        for name, text in (("password_file", "geheim"), ("token_file", TOKEN)):
            Path(answers["admin"][name]).write_text(text)
    changed = [
        f"model.{key}" for key, old in (before or {}).items() if old != answers["model"][key]
    ]
    created = ["admin", "gateway", "model"] if before is None else []
    said = {
        "instance_id": INSTANCE_ID,
        "feed_key": "f",
        "issuer": os.environ["CASEMATE_INSTANCE_PUBLIC_URL"],
    }
    return {**said, "created": created, "changed": changed}


def license_it(words: list[str], text: str, before: dict[str, Any]) -> dict[str, Any]:
    """What `appliance licence add WORDS` says and leaves, reading `text`; with a demo's key."""
    # The stand-ins start often, and most of them need no cryptography.
    from install.admin.licence_files import fingerprint_of, inspect  # noqa: PLC0415

    state: dict[str, Any] = {**before, "created": []}
    keys = [word for word in words if word.startswith("--authority-key=")]
    if keys:
        key = keys[0].partition("=")[2]
        state |= {"authority": fingerprint_of(key), "is_demo": "--demo" in words}
        state["created"].append("licence_authority")
    if "--file" in words:
        document = inspect(text, public_key=None).document
        added = {"serial": document["serial"], "ends_on": document["add_ons"][0]["ends_on"]}
        state["licences"] = [added, *state["licences"]]
        state["created"].append("licence")
    return state


def licence(action: str, words: list[str]) -> dict[str, Any]:
    path = home() / "instance" / "licensed.json"
    before = json.loads(path.read_text()) if path.exists() else UNLICENSED
    if action == "show":
        return before
    after = license_it(words, sys.stdin.read(), before)
    path.write_text(json.dumps(after))
    return after


def main(words: list[str]) -> None:
    if wish("fails") == words[:2]:
        sys.exit("it is broken")
    match words:
        case ["appliance", "serve"]:
            serve(InstanceSurface, int(os.environ["CASEMATE_INSTANCE_PORT"])).serve_forever()
        case ["gateway", "serve"]:
            serve(GatewaySurface, int(os.environ["CASEMATE_GATEWAY_PORT"])).serve_forever()
        case ["model_server", "serve"]:
            serve_model()
        case _:
            set_up(words)


def set_up(words: list[str]) -> None:
    said = (wish("says") or {}).get(" ".join(words[1:]))
    if said is not None:
        print(json.dumps(said))
        return
    match words:
        case ["gateway", "keys"]:
            print(json.dumps({"gateway_id": "g", "signing_key": "s", "sealing_key": "e"}))
        case ["gateway", "pin"]:
            (home() / "gateway" / "instance.json").write_text(sys.stdin.read())
            print("{}")
        case ["appliance", "init", "--answers", path]:
            print(json.dumps(init(json.loads(Path(path).read_text()))))
        case ["appliance", "licence", action, *rest]:
            print(json.dumps(licence(action, rest)))
        case ["appliance", "users" | "audit", *_]:
            print(" ".join(words[1:]))
        case ["model_server", "convert", _, folder]:
            Path(folder).mkdir()
            (Path(folder) / "config.json").write_text("{}")
        case _:
            sys.exit(f"no such command: {words}")


if __name__ == "__main__":
    main(sys.argv[3:])
