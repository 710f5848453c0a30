from collections.abc import Iterator
from contextlib import closing

import pytest

from install.api import PER_PAGE, Instance
from install.config import Config
from tests.fakes import parts


@pytest.fixture
def asked(config: Config, parts_running: object) -> Iterator[Instance]:
    assert parts_running is not None
    with closing(Instance(config.instance_url, parts.TOKEN)) as found:
        yield found


def test_a_list_is_read_to_its_last_page(asked: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {f"/x?page={n}&per_page={PER_PAGE}": k for n, k in ((1, PER_PAGE), (2, 3))}
    monkeypatch.setattr(asked, "ask", lambda _method, path: [{"id": 1}] * pages[path])
    assert len(list(asked.pages("/x"))) == PER_PAGE + 3


def test_a_text_comes_as_it_is(asked: Instance) -> None:
    assert asked.text("/api/v4/anything") == "[]"


def test_a_group_is_found_by_its_path(asked: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "ask", lambda _method, path: {"id": 7} if "a%2Fb" in path else {})
    assert asked.group_id("a/b") == 7
