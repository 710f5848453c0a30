from collections.abc import AsyncIterator

import aiohttp
import pytest
from structlog.testing import capture_logs

from gateway.contract.feed import Report, ReportedModel
from gateway.issuer.feed.reporting import AGAIN_AFTER_S, REPORT_EVERY_S, Reporter
from gateway.issuer.identity import Identity
from gateway.issuer.pins import load_pin
from gateway.settings import Settings
from tests.fakes.instance import FakeInstance
from tests.gateway.conftest import RunningGateway, eventually


class Setup:
    """A reporter whose clock and report a test sets."""

    def __init__(self, settings: Settings, identity: Identity) -> None:
        pin = load_pin(settings.state_folder)
        assert pin is not None
        self.now = 1_800_000_000.0
        self.report: Report | None = Report(version="1", epoch=1, sequence=2, models=())
        self.session = aiohttp.ClientSession()
        self.reporter = Reporter(
            lambda: self.report,
            identity=identity,
            pin=pin,
            session=self.session,
            clock=lambda: self.now,
        )

    async def after(self, seconds: float) -> None:
        self.now += seconds
        await self.reporter.step()


@pytest.fixture
async def setup(settings: Settings, identity: Identity) -> AsyncIterator[Setup]:
    made = Setup(settings, identity)
    yield made
    await made.session.close()


async def test_the_gateway_reports_what_it_sees(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    await eventually(lambda: instance.reports)
    report = instance.reports[0]
    assert report.models == (ReportedModel(ref="demo", state=report.models[0].state),)
    assert (report.sequence, report.epoch) == (instance.sequence, instance.epoch)
    assert report.clock_ms > 0
    del gateway


async def test_a_report_comes_every_few_seconds(setup: Setup, instance: FakeInstance) -> None:
    for seconds in (0.0, 0.2, REPORT_EVERY_S, 0.2):
        await setup.after(seconds)
    assert instance.reports == [setup.report] * 2


async def test_new_keys_are_reported_at_once(setup: Setup, instance: FakeInstance) -> None:
    await setup.after(0)
    setup.report = Report(version="1", epoch=1, sequence=3, models=(), kids=("fresh",))
    await setup.after(0.2)
    assert [report.kids for report in instance.reports] == [(), ("fresh",)]


async def test_nothing_is_reported_before_anything_is_known(
    setup: Setup, instance: FakeInstance
) -> None:
    setup.report = None
    await setup.after(0)
    assert not instance.reports


async def test_an_instance_that_is_away_is_told_again_soon(
    setup: Setup, instance: FakeInstance
) -> None:
    await instance.stop()
    with capture_logs() as lines:
        for seconds in (0.0, 0.2, AGAIN_AFTER_S):
            await setup.after(seconds)
        await instance.start()
        await setup.after(AGAIN_AFTER_S)
    assert [line["event"] for line in lines] == ["report_failed"]
    assert instance.reports == [setup.report]


async def test_an_answer_that_is_no_success_is_a_failure(
    setup: Setup, instance: FakeInstance
) -> None:
    instance.refuses_reports = True
    with capture_logs() as lines:
        await setup.after(0)
    assert "503" in lines[0]["reason"]
