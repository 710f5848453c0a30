import pytest

from appliance.ai_actions.rules.chat.pages import MAX_URL_CHARS, preset_questions, shown_page


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("issues", "Issue"),
        ("work_items", "Issue"),
        ("merge_requests", "MergeRequest"),
        ("jobs", "Job"),
        ("security/vulnerabilities", "Vulnerability"),
    ],
)
def test_an_address_names_project_kind_and_number(place: str, kind: str) -> None:
    for tail in ("", "/diffs", "?tab=1", "#note_3"):
        found = shown_page(f"http://instance.test:8080/lab/sub%20group/test/-/{place}/12{tail}")
        assert found is not None
        assert (found.project_path, found.kind, found.number) == ("lab/sub group/test", kind, 12)


def test_an_address_may_leave_out_the_instance() -> None:
    assert shown_page("/lab/test/-/issues/1") is not None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://instance.test/",
        "http://instance.test/lab/test",
        "http://instance.test/lab/test/-/issues",
        "http://instance.test/lab/test/-/issues/0",
        "http://instance.test/lab/test/-/pipelines/1",
        "http://instance.test/lab%00/test/-/issues/1",
        "http://[broken/lab/test/-/issues/1",
        "/lab/test/-/issues/1?" + "x" * MAX_URL_CHARS,
    ],
)
def test_other_addresses_show_nothing(url: str) -> None:
    assert shown_page(url) is None


def test_questions_are_as_many_as_are_wanted_and_known() -> None:
    assert len(preset_questions("Issue", 2)) == 2
    assert len(preset_questions("Issue", 100)) == 4
    assert preset_questions("Issue", -1) == ()
    assert preset_questions("User", 4) == preset_questions(None, 4)
