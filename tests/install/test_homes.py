from pathlib import Path

import pytest

from install.homes import home_of


@pytest.mark.parametrize(
    ("environment", "uid", "prefix", "home"),
    [
        ({"CASEMATE_HOME": "/srv/a"}, 0, "/srv/b/envs/services", "/srv/a"),
        ({}, 0, "/srv/b/envs/services", "/srv/b"),
        ({}, 0, "/usr", "/var/lib/casemate"),
        ({"HOME": "/home/u"}, 1000, "/usr", "/home/u/.local/share/casemate"),
    ],
)
def test_the_home_is_the_told_one_then_the_installed_one_then_the_default(
    environment: dict[str, str], uid: int, prefix: str, home: str
) -> None:
    assert home_of(environment, uid=uid, prefix=prefix) == Path(home)
