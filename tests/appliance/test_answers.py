from collections.abc import Iterator

import appliance.__main__
from appliance.answers import PROBLEMS, status_of
from appliance.errors import ApplianceError


def _kinds(kind: type[ApplianceError] = ApplianceError) -> Iterator[type[ApplianceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


def test_every_error_has_a_code_and_codes_of_one_status_only() -> None:
    assert appliance.__main__.main is not None  # every module is imported
    statuses: dict[str, set[int]] = {}
    for kind in _kinds():
        assert kind.code != "internal_error", kind
        statuses.setdefault(kind.code, set()).add(status_of(kind.__new__(kind)))
    assert all(len(found) == 1 for found in statuses.values())
    assert set(PROBLEMS) <= set(_kinds())
