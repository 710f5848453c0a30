import pytest

from appliance.errors import InvalidFieldsError
from appliance.resources.rules import check_asked


def test_only_so_much_can_be_looked_for() -> None:
    check_asked(search=None, labels=())
    check_asked(search="x" * 255, labels=["a"])
    with pytest.raises(InvalidFieldsError) as refused:
        check_asked(search="x" * 256, labels=[str(number) for number in range(101)])
    assert list(refused.value.fields) == ["search", "labels"]
