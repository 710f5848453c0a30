"""A stand-in for a Docker engine and its client: the engine's API on a unix socket, as far as the
installer speaks it, and a program `docker` that hands what it was called with to the same socket.
"""

import base64
import io
import json
import re
import socketserver
import struct
import sys
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes import docker_client, parts
from tests.fakes.docker_client import said
from tests.fakes.docker_listing import archive, chosen, listed

CLIENT = """#!{python}
import http.client, json, os, socket, sys
told = os.environ.get("DOCKER_HOST") or {host!r}
if sys.argv[1:3] == ["context", "inspect"]:
    print(told)
    sys.exit()
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect(told.removeprefix("unix://"))
stdin = "" if sys.stdin.isatty() else sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
body = json.dumps({{"words": sys.argv[1:], "stdin": stdin, "environment": dict(os.environ)}})
connection.request("POST", "/client", body)
said = json.loads(connection.getresponse().read())
sys.stdout.write(said["out"])
sys.stderr.write(said["err"])
sys.exit(said["code"])
"""
SERVICES = ("lockdown", "model-server", "instance", "gateway")
SURFACES = {"instance": parts.InstanceSurface, "gateway": parts.GatewaySurface}
WITH_VALUE = ("--project-name", "--project-directory", "--env-file", "--file", "--profile")
STARTED = "2026-11-21T06:00:00.123456789Z"


@dataclass(slots=True)
class FakeEngine:
    """What the engine has and how it behaves; tests change it as they like."""

    folder: Path
    version: dict[str, str] = field(
        default_factory=lambda: {"Version": "20.10.24", "ApiVersion": "1.41"}
    )
    info: dict[str, Any] = field(default_factory=lambda: {"OSType": "linux", "Runtimes": {}})
    compose: str | None = "2.40.3"
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    pullable: set[str] = field(default_factory=set)
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    build_error: str | None = None
    built: list[dict[str, Any]] = field(default_factory=list)
    # What a compose command answers instead of doing its work: (exit code, standard error).
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)
    sick: dict[str, dict[str, Any]] = field(default_factory=dict)
    commands: list[list[str]] = field(default_factory=list)
    stdins: list[str] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    licensed: dict[str, Any] = field(default_factory=lambda: dict(parts.UNLICENSED))
    count: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    servers: dict[str, ThreadingHTTPServer] = field(default_factory=dict)
    volumes: set[str] = field(default_factory=set)
    in_use: set[str] = field(default_factory=set)
    # What `compose config` says of the project.
    resolved: dict[str, Any] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        return self.folder / "d.sock"

    def write_client(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        program = folder / "docker"
        program.write_text(CLIENT.format(python=sys.executable, host=f"unix://{self.socket}"))
        program.chmod(0o755)

    def add_image(self, tag: str, labels: dict[str, str] | None = None) -> None:
        self.count += 1
        identity = f"sha256:{self.count:064x}"
        self.images[tag] = {"Id": identity, "RepoTags": [tag], "Labels": labels or {}}

    def add_container(self, name: str, image: str, labels: dict[str, str]) -> dict[str, Any]:
        self.count += 1
        made = {
            "Id": f"{self.count:064x}",
            "Name": f"/{name}",
            "Config": {"Labels": labels, "Image": image, "Tty": False},
            "Image": image,
            "State": {"Status": "running", "Pid": 1, "StartedAt": STARTED, "ExitCode": 0},
            "RestartCount": 0,
            "Ports": [],
        }
        self.containers[name] = made
        return made

    def client(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the program `docker` does."""
        words = list(asked["words"])
        if words[:2] == ["compose", "version"]:
            return said(f"{self.compose}\n") if self.compose else said(err="no such", code=1)
        if words[0] in {"image", "load", "run", "volume"}:
            self.commands.append(words)
            return docker_client.answer(self, words, asked["stdin"])
        values: dict[str, list[str]] = {}
        words = words[1:]
        while words and words[0].startswith("--"):
            name = words.pop(0)
            if name in (*WITH_VALUE, "--progress"):
                values.setdefault(name, []).append(words.pop(0))
        self.commands.append(words)
        self.stdins.append(asked["stdin"])
        self.environments.append(asked["environment"])
        if words[0] in self.broken:
            code, err = self.broken[words[0]]
            return said(err=err, code=code)
        self.ports = {
            "instance": int(asked["environment"]["CASEMATE_INSTANCE_PORT"]),
            "gateway": int(asked["environment"]["CASEMATE_GATEWAY_PORT"]),
        }
        return self.run_compose(words, asked["stdin"], values)

    def run_compose(
        self, words: list[str], stdin: str, values: dict[str, list[str]]
    ) -> dict[str, Any]:
        project = values["--project-name"][0]
        files = values.get("--file", [""])
        own = _defined(files[-1])
        match words:
            case ["config", *_]:
                return said(json.dumps(self.resolved))
            case ["up", *rest]:
                self.bring_up(project, rest, files)
            case ["run" | "exec", *rest]:
                service = next(each for each in rest if each in (*SERVICES, *own))
                return self.set_up(rest[rest.index(service) + 3 :], stdin)
            case ["down", *_]:
                self.containers.clear()
                self.close()
            case ["rm", *rest]:
                for name in rest:
                    self.containers.pop(f"{project}-{name}-1", None)
            case ["logs", *_]:
                return said("a line\n")
            case _:
                pass
        return said()

    def bring_up(self, project: str, words: list[str], files: list[str]) -> None:
        own = _defined(files[-1])
        for name, told in own.items():
            self.ports[name] = int(told["ports"][0]["published"])
        named = [each for each in words if each in (*SERVICES, "postgres")]
        for name in own or named or SERVICES:
            self.start(project, name, _image(files, name))

    def start(self, project: str, service: str, image: str) -> None:
        name = f"{project}-{service}-1"
        found = self.containers.get(name)
        if found is None or found["Image"] != image:
            labels = {
                "com.docker.compose.project": project,
                "com.docker.compose.service": service,
                "com.docker.compose.oneoff": "False",
            }
            found = self.add_container(name, image, labels)
            found["State"]["Health"] = {"Status": "healthy"}
            self.publish(service, found)
        sick = dict(self.sick.get(service, {}))
        found["RestartCount"] = sick.pop("restarts", found["RestartCount"])
        found["State"].update(sick)

    def publish(self, service: str, container: dict[str, Any]) -> None:
        """What answers on the published port is a stand-in for the service."""
        surface = SURFACES.get(service.rpartition("-")[2])
        if surface is not None:
            container["Ports"] = [{"PublicPort": self.ports[service]}]
            if service not in self.servers:
                server = parts.serve(surface, self.ports[service])
                threading.Thread(target=server.serve_forever, daemon=True).start()
                self.servers[service] = server

    def close(self) -> None:
        for server in self.servers.values():
            server.shutdown()
            server.server_close()
        self.servers.clear()

    def set_up(self, words: list[str], stdin: str) -> dict[str, Any]:
        match words:
            case ["gateway", "keys"]:
                return said(json.dumps({"signing_key": "s", "sealing_key": "e"}))
            case ["appliance", "init", *_]:
                answers = json.loads(stdin)
                is_new = answers["admin"]["token_file"] not in self.files
                self.files.setdefault(answers["admin"]["password_file"], b"geheim\n")
                self.files.setdefault(answers["admin"]["token_file"], parts.TOKEN.encode())
                made = {"instance_id": parts.INSTANCE_ID, "feed_key": "f", "issuer": "http://i"}
                return said(json.dumps({**made, "created": ["admin"] if is_new else []}))
            case ["appliance", "licence", action, *rest]:
                if action == "add":
                    self.licensed = parts.license_it(rest, stdin, self.licensed)
                return said(json.dumps(self.licensed))
            case ["appliance", "users", *rest]:
                return said(f"users {' '.join(rest)}\n")
            case _:
                pass
        return said("{}")


def _defined(path: str) -> dict[str, Any]:
    """The services of a project that is one file by itself; none of an override or of ours."""
    told = json.loads(Path(path).read_text()) if path.endswith(".json") else {}
    return dict(told["services"]) if "name" in told else {}


def _image(files: list[str], service: str) -> str:
    for path in reversed(files):
        if path.endswith(".json"):
            told = json.loads(Path(path).read_text())["services"].get(service, {})
            return str(told.get("image", service))
    return service


class Surface(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: FakeEngine

    def log_message(self, *_arguments: object) -> None:
        """Nothing is to be logged."""

    def address_string(self) -> str:
        return "local"

    def answer(self, body: object, status: int = 200, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while length := int(self.rfile.readline(), 16):
            found += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def do_GET(self) -> None:
        engine, url = self.engine, urlsplit(self.path)
        path = re.sub(r"^/v[\d.]+/", "/", url.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if engine.info.get("is_away"):
            self.answer({"message": "shutting down"}, 503)
        elif path in {"/version", "/info"}:
            self.answer(engine.version if path == "/version" else engine.info)
        elif path == "/containers/json":
            self.answer([listed(each) for each in chosen(engine.containers.values(), query)])
        elif path == "/images/json":
            self.answer([each for each in chosen(engine.images.values(), query) if each])
        elif path == "/volumes":
            # Compose names them after the project whose label they carry.
            (label,) = json.loads(query["filters"])["label"]
            mine = [each for each in engine.volumes if each.startswith(label.partition("=")[2])]
            self.answer({"Volumes": [{"Name": each} for each in sorted(mine)] or None})
        elif path.startswith("/images/"):
            name = path.removeprefix("/images/").removesuffix("/json")
            found = engine.images.get(name)
            self.answer(found or {"message": f"No such image: {name}"}, 200 if found else 404)
        else:
            self.about_container(path.split("/"), query)

    def about_container(self, path: list[str], query: dict[str, str]) -> None:
        found = next((c for c in self.engine.containers.values() if c["Id"] == path[2]), None)
        if found is None:
            self.answer({"message": "no such container"}, 404)
        elif path[3] == "json":
            self.answer(found)
        elif path[3] == "logs":
            text = f"the end of {found['Name']}\n".encode()
            self.answer(struct.pack(">BxxxL", 1, len(text)) + text)
        elif query["path"] in self.engine.files:
            about = {"name": "x", "size": 1, "mode": 0, "mtime": "", "linkTarget": ""}
            stat = base64.b64encode(json.dumps(about).encode()).decode()
            packed = archive(query["path"], self.engine.files[query["path"]])
            self.answer(packed, X_Docker_Container_Path_Stat=stat)
        else:
            self.answer({"message": "no such file"}, 404)

    def do_POST(self) -> None:
        engine, url = self.engine, urlsplit(self.path)
        path = re.sub(r"^/v[\d.]+/", "/", url.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.body()
        match path:
            case "/client":
                self.answer(engine.client(json.loads(body)))
            case "/build":
                self.build(query, body)
            case "/volumes/create":
                engine.volumes.add(json.loads(body)["Name"])
                self.answer({}, 201)
            case "/images/create":
                name = f"{query['fromImage']}:{query['tag']}"
                if name not in engine.pullable:
                    self.answer({"message": "no route to the registry"}, 500)
                    return
                engine.add_image(name)
                self.answer({"status": "done"})
            case _:
                self.one_shot(path, body)

    def build(self, query: dict[str, str], body: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(body)) as sent:
            names = sent.getnames()
            dockerfile = sent.extractfile("Dockerfile")
            text = dockerfile.read().decode() if dockerfile else ""
        made = {"query": query, "names": names, "dockerfile": text}
        self.engine.built.append(made)
        lines: list[dict[str, Any]] = [{"stream": "Step 1/2 : FROM x"}, {"stream": "pip Error\n"}]
        if self.engine.build_error:
            lines.append({"error": self.engine.build_error})
            # What a failed build leaves: a layer without a name.
            home = re.findall(r"casemate.built-for=(\S+)", text)[0]
            self.engine.add_image("<none>", {"casemate.built-for": home})
        else:
            home = re.findall(r"casemate.built-for=(\S+)", text)[0]
            self.engine.add_image(query["t"], {"casemate.built-for": home})
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            data = json.dumps(line).encode() + b"\r\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def one_shot(self, path: str, body: bytes) -> None:
        if path == "/containers/create":
            asked = json.loads(body)
            made = self.engine.add_container("convert", asked["Image"], {})
            folder = Path(asked["HostConfig"]["Binds"][0].partition(":")[0])
            (folder / asked["Cmd"][-1].rpartition("/")[2]).mkdir()
            (folder / asked["Cmd"][-1].rpartition("/")[2] / "config.json").write_text("{}")
            self.answer({"Id": made["Id"]}, 201)
        elif path.endswith("/wait"):
            self.answer({"StatusCode": 1 if self.engine.sick.get("convert") else 0})
        else:
            self.answer(b"", 204)

    def do_DELETE(self) -> None:
        path = re.sub(r"^/v[\d.]+/", "/", urlsplit(self.path).path)
        kind, _, name = path[1:].partition("/")
        self.engine.volumes.discard(name)
        found = self.engine.images if kind == "images" else self.engine.containers
        for key, each in list(found.items()):
            if name in {key, each["Id"]}:
                del found[key]
        self.answer([], 200)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def serve(engine: FakeEngine) -> _Server:
    """The engine's API on its socket, in a thread; to be shut down by the caller."""
    surface = type("EngineSurface", (Surface,), {"engine": engine})
    server = _Server(str(engine.socket), surface)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
