"""What a thousand subscribers cost an instance, and how soon each of them has a message.

`python -m tests.bench.subscribers [--subscribers 1000] [--questions 30] [--out FOLDER]` starts a
real instance on SQLite, a real gateway and a mock model. One user listens with all subscribers,
half over the cable and half over graphql-transport-ws, and asks; each has the question as soon as
it was accepted, and the answer. One of them reads nothing. All of it shares the machine's cores.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.bench.listening import Listener, Place, listen
from tests.bench.machine import machine
from tests.bench.processes import cpu_s, memory_mb
from tests.bench.soak_parts import latencies
from tests.system.organisation import Organisation, Person

AT_ONCE = 20
WARMING_UP = 40
SETTLE_S = 2.0
PATIENCE_S = 30.0
# As long as a question that somebody has thought about, so that the one that is stuck fills up.
PADDING = "x" * 4000
LISTEN = """subscription ($userId: UserID, $aiAction: AiAction) {
  aiCompletionResponse(userId: $userId, aiAction: $aiAction) {
    id requestId content role chunkId errors } }"""
ASK = """mutation ($content: String!) {
  aiAction(input: {chat: {content: $content}}) { requestId errors } }"""


@dataclass(slots=True, kw_only=True)
class Crowd:
    """Those who listen, all for one user."""

    place: Organisation
    person: Person
    listeners: list[Listener] = field(default_factory=list)

    def _place(self, path: str, protocol: str) -> Place:
        headers = {"Origin": self.place.instance_url, "Authorization": f"Bearer {self.person.pat}"}
        port = self.place.ports["instance"]
        return Place(port=port, path=path, protocol=protocol, headers=headers)

    def _payload(self) -> dict[str, Any]:
        variables = {"userId": f"gid://gitlab/User/{self.person.id}", "aiAction": "CHAT"}
        return {"query": LISTEN, "variables": variables}

    async def on_cable(self, *, is_slow: bool = False) -> Listener:
        """One more, who has subscribed."""
        listener = await listen(self._place("/-/cable", "actioncable-v1-json"), is_slow=is_slow)
        identifier = json.dumps({"channel": "GraphqlChannel", **self._payload()})
        listener.say({"command": "subscribe", "identifier": identifier})
        await listener.until(lambda: any(b'"more":true' in each for _, each in listener.received))
        return listener

    async def on_transport(self) -> Listener:
        """One more; that it has subscribed is known from what is asked after it."""
        listener = await listen(self._place("/api/graphql", "graphql-transport-ws"))
        listener.say({"type": "connection_init"})
        listener.say({"type": "subscribe", "id": "1", "payload": self._payload()})
        after = {"query": "{ __typename }"}
        listener.say({"type": "subscribe", "id": "2", "payload": after})
        await listener.until(lambda: any(b'"complete"' in each for _, each in listener.received))
        return listener

    async def grow(self, count: int) -> None:
        """So many more, half of them in either way."""
        for first in range(0, count, AT_ONCE):
            ways = [
                self.on_cable() if number % 2 else self.on_transport()
                for number in range(first, min(count, first + AT_ONCE))
            ]
            self.listeners += await asyncio.gather(*ways)

    def leave(self) -> None:
        """All of them go."""
        for each in self.listeners:
            each.transport.abort()
        self.listeners.clear()


async def measure(subscribers: int, questions: int, place: Organisation) -> dict[str, Any]:
    """Lets them listen, asks, and says what came of it."""
    admin, pid = place.admin(), place.running["instance"].pid
    async with admin.http:
        person = await admin.hire("anna")
    crowd = Crowd(place=place, person=person)
    # What is loaded and kept for the first few is no subscriber's.
    await crowd.grow(WARMING_UP)
    crowd.leave()
    await asyncio.sleep(SETTLE_S)
    before_mb, began = memory_mb(pid), time.perf_counter()
    await crowd.grow(subscribers - 1)
    stuck = await crowd.on_cable(is_slow=True)
    opened_s = time.perf_counter() - began
    await asyncio.sleep(SETTLE_S)
    idle_mb, idle_cpu_s = memory_mb(pid), cpu_s(pid)
    await asyncio.sleep(SETTLE_S)
    idle_cpu_s = (cpu_s(pid) - idle_cpu_s) / SETTLE_S
    stuck.transport.pause_reading()
    busy_cpu_s = cpu_s(pid)
    found = await _ask_all(crowd, questions)
    busy_cpu_s = cpu_s(pid) - busy_cpu_s
    lost = sum(each.is_lost for each in crowd.listeners)
    after_mb = memory_mb(pid)
    crowd.leave()
    stuck.transport.abort()
    return {
        "subscribers": subscribers,
        "opened_per_s": round(subscribers / opened_s, 1),
        "memory_kb_per_subscriber": round((idle_mb - before_mb) * 1024 / subscribers, 1),
        "instance_mb": {
            "before": round(before_mb),
            "idle": round(idle_mb),
            "after": round(after_mb),
        },
        "idle_cpu_percent": round(100 * idle_cpu_s, 1),
        **found,
        "cpu_us_per_message": round(1e6 * busy_cpu_s / max(1, found["messages_received"])),
        "lost": lost,
        "stuck_subscribers": 1,
    }


async def _ask_all(crowd: Crowd, questions: int) -> dict[str, Any]:
    to_question: list[float] = []
    spreads: dict[str, list[float]] = {"question": [], "answer": []}
    missing = failed = 0
    url, headers = crowd.place.instance_url, {"PRIVATE-TOKEN": crowd.person.pat}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, trust_env=False, timeout=PATIENCE_S
    ) as http:
        for number in range(questions):
            for each in crowd.listeners:
                each.received.clear()
            asked = time.perf_counter()
            await _ask(http, f"question {number} {PADDING}")
            missing += await _until_answered(crowd.listeners)
            failed += any(b"Error code" in each for _, each in _messages(crowd.listeners[0]))
            for kind, found in _arrivals(crowd.listeners).items():
                spreads[kind] += [each - min(found) for each in found]
                to_question += [each - asked for each in found] if kind == "question" else []
    return {
        "questions": questions,
        "questions_failed": failed,
        "messages_received": len(spreads["question"]) + len(spreads["answer"]),
        "messages_missing": missing,
        "asked_to_question": latencies(to_question),
        "first_to_each_question": latencies(spreads["question"]),
        "first_to_each_answer": latencies(spreads["answer"]),
    }


async def _ask(http: httpx.AsyncClient, content: str) -> None:
    body = {"query": ASK, "variables": {"content": content}}
    answer = (await http.post("/api/graphql", json=body)).json()
    if answer.get("errors") or answer["data"]["aiAction"]["errors"]:
        raise RuntimeError(str(answer))


async def _until_answered(listeners: Sequence[Listener]) -> int:
    """Waits until each has the question and its answer; how many of them never came."""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            for each in listeners:
                while len(_messages(each)) < 2:
                    await each.more()
    return sum(max(0, 2 - len(_messages(each))) for each in listeners)


def _messages(listener: Listener) -> list[tuple[float, bytes]]:
    return [each for each in listener.received if b'"role"' in each[1]]


def _arrivals(listeners: Sequence[Listener]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"question": [], "answer": []}
    for each in listeners:
        for at, payload in _messages(each):
            found["question" if b'"USER"' in payload else "answer"].append(at)
    return {kind: times for kind, times in found.items() if times}


async def run(subscribers: int, questions: int, home: Path) -> dict[str, Any]:
    """Starts what is needed, measures, and stops it."""
    place = Organisation(home=home)
    # Where the instance itself calls it.
    place.told["CASEMATE_GATEWAY_PUBLIC_URL"] = f"http://127.0.0.1:{place.ports['gateway']}"
    place.found()
    try:
        for name in ("mock", "instance", "gateway"):
            place.start(name)
        await place.until_ready()
        return await measure(subscribers, questions, place)
    finally:
        place.end()


def main() -> int:
    """Prints the figures as JSON, and keeps them if a folder is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--questions", type=int, default=30, help="how many (30)")
    parser.add_argument("--out", type=Path, help="a folder for the figures")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        found = asyncio.run(run(chosen.subscribers, chosen.questions, home))
    text = json.dumps({"machine": machine(), **found}, indent=2)
    print(text)
    if chosen.out is not None:
        (chosen.out / "subscribers.json").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
