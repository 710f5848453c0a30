from typing import Any

import pytest

from appliance.errors import InvalidFieldsError
from appliance.resources.rules.vulnerabilities import (
    Identifier,
    Location,
    VulnerabilityChange,
    check_vulnerability,
)

CWE = Identifier(external_type="cwe", external_id="79", name="CWE-79")


def test_only_a_new_one_needs_everything() -> None:
    good = VulnerabilityChange(
        title="x",
        severity="high",
        report_type="sast",
        identifiers=[CWE],
        location=Location(file="a", start_line=1, end_line=1),
    )
    check_vulnerability(good, is_new=True)
    check_vulnerability(VulnerabilityChange(), is_new=False)
    with pytest.raises(InvalidFieldsError) as refused:
        check_vulnerability(VulnerabilityChange(), is_new=True)
    assert list(refused.value.fields) == ["title", "severity", "report_type"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"identifiers": [CWE] * 21}, "identifiers"),
        ({"identifiers": [Identifier(external_type="a", external_id="", name="b")]}, "identifiers"),
        (
            {
                "identifiers": [
                    Identifier(external_type="a", external_id="1", name="b", url="x" * 2049)
                ]
            },
            "identifiers: url",
        ),
        ({"location": Location(file="")}, "location: file"),
        ({"location": Location(file="a", start_line=0)}, "location: lines"),
        ({"location": Location(file="a", start_line=3, end_line=2)}, "location: lines"),
        ({"location": Location(file="a", end_line=0)}, "location: lines"),
        ({"solution": "\0"}, "solution"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldsError, match=field):
        check_vulnerability(VulnerabilityChange(**change), is_new=False)
