from pathlib import Path

from install.building import wheels
from tests.install.building.builders import a_wheel


def test_a_licence_is_an_expression_a_name_or_not_said(tmp_path: Path) -> None:
    said = {
        more: wheels.about(a_wheel(tmp_path / str(number), "one", more=more))
        for number, more in enumerate(
            [
                "License-Expression: MIT OR Apache-2.0",
                "License: BSD",
                "License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License",
                "",
            ]
        )
    }
    assert [each.licence for each in said.values()] == [
        "MIT OR Apache-2.0",
        "BSD",
        "MIT License",
        None,
    ]
    assert [each.is_expression for each in said.values()] == [True, False, False, False]


def test_a_whole_text_where_a_name_belongs_is_no_name(tmp_path: Path) -> None:
    more = f"License: {'Permission is hereby granted ' * 10}"
    assert wheels.about(a_wheel(tmp_path, "one", more=more)).licence is None


def test_names_are_written_in_the_one_way(tmp_path: Path) -> None:
    assert wheels.about(a_wheel(tmp_path, "One.Thing_2")).name == "one-thing-2"


def test_texts_are_found_where_wheels_have_them(tmp_path: Path) -> None:
    files = {
        "licenses/LICENSE": "a",
        "licenses/vendored/thing/anything.txt": "b",
        "COPYING": "c",
        "RECORD": "no",
    }
    wheel = a_wheel(tmp_path, "one", files=files)
    assert wheels.texts(wheel, wheels.about(wheel)) == {
        "COPYING": b"c",
        "LICENSE": b"a",
        "vendored_thing_anything.txt": b"b",
    }


def test_texts_whose_names_differ_in_case_alone_are_both_kept(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path, "one", files={"LICENSE": "a", "license": "b", "licenses/(c) x": "c"})
    kept = wheels.texts(wheel, wheels.about(wheel))
    assert kept == {"LICENSE": b"a", "license_": b"b", "_c_x": b"c"}
