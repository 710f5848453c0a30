"""Whatever is killed in between: a call whose answer a client has is counted, and counted once."""

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.conftest import wait_until
from tests.system.driver import Appliance

KILLS = 20
CLIENTS = 6
BACK_WITHIN_S = 90
SHIPPED_WITHIN_S = 60


@dataclass(slots=True)
class Load:
    """Short calls from several threads, each with an id of its own, whole and streamed in turn."""

    appliance: Appliance
    token: str
    mark: str = field(default_factory=lambda: f"load-{uuid4().hex[:8]}-")
    stop: threading.Event = field(default_factory=threading.Event)
    whole: set[str] = field(default_factory=set)
    # What was on its way at each kill.
    in_flight: set[str] = field(default_factory=set)
    caught: set[str] = field(default_factory=set)

    def client(self, name: int) -> None:
        with httpx.Client(trust_env=False, timeout=60) as http:
            number = 0
            while not self.stop.is_set():
                number += 1
                self.call(http, f"{self.mark}{name}-{number}", stream=number % 2 == 0)

    def call(self, http: httpx.Client, request_id: str, *, stream: bool) -> None:
        body: dict[str, Any] = {
            "model": self.appliance.told["model"],
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 4,
            "stream": stream,
        }
        headers = {"Authorization": f"Bearer {self.token}", "X-Request-ID": request_id}
        url = f"{self.appliance.told['gateway_url']}/v1/chat/completions"
        self.in_flight.add(request_id)
        try:
            answer = http.post(url, json=body, headers=headers)
            is_whole = "data: [DONE]" in answer.text if stream else bool(answer.json())
            if answer.status_code == 200 and is_whole:
                self.whole.add(request_id)
        except httpx.HTTPError:
            # The gateway is being killed, or not back yet.
            time.sleep(0.05)
        finally:
            self.in_flight.discard(request_id)

    def run(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self.client, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        return threads


def gateways(appliance: Appliance) -> list[int]:
    """The gateway's process, from the kernel, which answers sooner than `casemate status`."""
    return [each.pid for each in appliance.processes() if "-m gateway serve" in each.command]


def kill_once(appliance: Appliance, load: Load) -> None:
    had = len(load.whole)
    wait_until(lambda: len(load.whole) >= had + 3, BACK_WITHIN_S)
    (pid,) = gateways(appliance)
    load.caught |= set(load.in_flight)
    os.kill(pid, signal.SIGKILL)
    load.caught |= set(load.in_flight)
    wait_until(lambda: gateways(appliance) not in ([], [pid]), BACK_WITHIN_S)


def events(appliance: Appliance, mark: str) -> list[dict[str, Any]]:
    """All events of the load, from the instance."""
    found: list[dict[str, Any]] = []
    headers = {"PRIVATE-TOKEN": appliance.personal_token()}
    url, page = f"{appliance.told['instance_url']}/api/v4/usage/events", 1
    while True:
        answer = httpx.get(
            url, headers=headers, params={"page": page, "per_page": 100}, trust_env=False
        )
        assert answer.status_code == 200, answer.text
        found += [each for each in answer.json() if each["request_id"].startswith(mark)]
        if not answer.headers["x-next-page"]:
            return found
        page += 1


def pending(appliance: Appliance) -> float:
    """How much the gateway still has to ship."""
    url = f"http://127.0.0.1:{appliance.ports['GATEWAY_METRICS_PORT']}/metrics"
    for line in httpx.get(url, trust_env=False).text.splitlines():
        if line.startswith("casemate_gateway_usage_events_pending "):
            return float(line.split()[1])
    return -1.0


def test_every_answered_call_is_counted_once_though_the_gateway_is_killed(
    appliance: Appliance,
) -> None:
    appliance.wait_until_answered(appliance.access_token(), BACK_WITHIN_S)
    load = Load(appliance, appliance.access_token())
    threads = load.run()
    try:
        for _ in range(KILLS):
            kill_once(appliance, load)
    finally:
        load.stop.set()
        for thread in threads:
            thread.join()
    wait_until(lambda: pending(appliance) == 0, SHIPPED_WITHIN_S)

    told = events(appliance, load.mark)
    ids = Counter(event["event_id"] for event in told)
    assert max(ids.values()) == 1
    answered = Counter(e["request_id"] for e in told if e["outcome"] == "answered")
    assert len(load.whole) > KILLS
    assert load.whole <= set(answered), "whoever has an answer is counted"
    assert set(answered.values()) == {1}, "and once"
    unheard = set(answered) - load.whole
    assert len(unheard) <= KILLS * CLIENTS
    assert unheard <= load.caught, "only what was on its way at a kill may be counted unheard"
