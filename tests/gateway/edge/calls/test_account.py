from pathlib import Path

from gateway.edge.calls.account import Account
from gateway.issuer.spool.spool import Spool
from gateway.upstream.usage import Usage
from tests.builders import a_usage_event


def test_an_account_is_settled_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=10**6, clock=lambda: 0.0)
    account = Account(a_usage_event(1), spool, started=0.0)
    account.settle("answered", 200, Usage(prompt_tokens=1, completion_tokens=2))
    account.settle("failed", 500, None)
    events = spool.reader()().events
    assert [(event.outcome, event.completion_tokens) for event in events] == [("answered", 2)]
    spool.close()


def test_a_call_that_found_no_room_is_not_settled_in_the_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=0, clock=lambda: 0.0)
    account = Account(a_usage_event(1), spool, started=0.0)
    account.settle("answered", 200, None)
    assert (account.outcome, spool.dropped, spool.spooled) == ("answered", 1, 0)
    spool.close()
