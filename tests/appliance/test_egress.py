import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from appliance.egress import Egress
from gateway.contract.egress import EgressRefusedError, Reason


def counted(registry: CollectorRegistry, reason: Reason) -> float | None:
    return registry.get_sample_value("casemate_instance_egress_refused_total", {"reason": reason})


def test_each_reason_is_counted_apart_and_from_the_start() -> None:
    registry = CollectorRegistry()
    egress = Egress(registry, names=())
    egress.count(Reason.HOST)
    assert [counted(registry, reason) for reason in Reason] == [1, 0, 0]
    assert egress.counts == {Reason.HOST: 1, Reason.NETWORK: 0, Reason.UNGUARDED: 0}


def test_what_goes_past_the_guard_is_counted_and_logged() -> None:
    registry = CollectorRegistry()
    egress = Egress(registry, names=["db.corp"])
    egress.recorder("socket.getaddrinfo", ("db.corp", 5432, 0, 1, 6))
    with capture_logs() as lines, pytest.raises(EgressRefusedError):
        egress.recorder("socket.getaddrinfo", ("telemetry.example", 443, 0, 1, 0))
    assert counted(registry, Reason.UNGUARDED) == 1
    assert [(line["event"], line["reason"]) for line in lines] == [("egress_refused", "unguarded")]


def test_a_host_that_an_admin_names_may_be_resolved() -> None:
    egress = Egress(CollectorRegistry(), names=())

    def look_up(host: str, port: int) -> list[str]:
        egress.recorder("socket.getaddrinfo", (host, port, 0, 1, 0))
        return ["10.0.0.1"]

    assert egress.resolving(look_up)("gpu-1.corp", 80) == ["10.0.0.1"]
    with pytest.raises(EgressRefusedError):
        look_up("gpu-1.corp", 80)
