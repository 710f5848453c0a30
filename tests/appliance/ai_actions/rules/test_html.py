"""What a page shows of a model's Markdown does nothing but be read."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ai_actions.rules.codes import failed_answer
from appliance.ai_actions.rules.html import MAX_CHARS, MAX_MARKS, safe_html
from tests.page_reader import check_harmless


def test_what_people_write_is_shown() -> None:
    html = safe_html("# A\n\n*b* **c** ~~d~~ `e`\n\n- f\n\n3. g\n\n> h\n\n```py\ni < 1\n```\n")
    for part in (
        "<h1>A</h1>",
        "<em>b</em> <strong>c</strong> <s>d</s> <code>e</code>",
        "<li>f</li>",
        '<ol start="3">',
        "<blockquote>",
        '<pre><code class="language-py">i &lt; 1\n</code></pre>',
    ):
        assert part in html
    check_harmless(html)


def test_a_table_has_no_style() -> None:
    html = safe_html("|a|b|\n|:-|-:|\n|1|2|\n")
    assert "<td>1</td>" in html
    check_harmless(html)


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![a](http://evil.example/x.png)",
    "![a](data:image/png;base64,AAAA)",
    "[a](javascript:alert(1))",
    "[a](/same/site)",
    "[a](//evil.example)",
    "<http://evil.example>",
    "<mailto:a@evil.example>",
    "[a][r]\n\n[r]: http://evil.example",
    "![a][r]\n\n[r]: http://evil.example",
    "```py onclick=alert(1)\nx\n```",
    '```"><script>\nx\n```',
    "~~~ <b>\nx\n~~~",
    "<!-- --><style>*{}</style>",
    "<svg/onload=alert(1)>",
    "&lt;script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "<a href='javascript:x'>y</a>",
    "`<script>`",
    "# <iframe src=//evil.example>",
    "- <object data=x>",
    "|<b>|\n|-|\n|<img src=x>|",
    "[A1001](/help/ai/error_codes#error-a1002)",
    "[A1001](http://evil.example/help/ai/error_codes#error-a1001)",
    '[A1001](/help/ai/error_codes#error-a1001" onclick="x)',
    "![A1001](/help/ai/error_codes#error-a1001)",
    "<\0script>",
    "http://evil.example/ www.evil.example",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_models_loads_links_or_runs(text: str) -> None:
    check_harmless(safe_html(text))


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*HOSTILE, "\n", "\n\n", "> ", "- ", "|", "*", "`", "```", "  "]),
            st.text(max_size=20),
        ),
        max_size=12,
    )
)
@settings(deadline=None)
def test_no_combination_does(parts: list[str]) -> None:
    check_harmless(safe_html("".join(parts)))


def test_our_own_link_to_an_error_is_one() -> None:
    html = safe_html(failed_answer("A1001").content)
    assert '<a href="/help/ai/error_codes#error-a1001">A1001</a>' in html
    check_harmless(html)


def test_what_is_too_long_is_shown_as_it_is_written() -> None:
    html = safe_html("a" * MAX_CHARS + "<b>")
    assert html.endswith("<pre>&lt;b&gt;</pre>\n")
    check_harmless(html)


def test_what_has_too_many_marks_is_shown_as_it_is_written() -> None:
    html = safe_html("*a* " * MAX_MARKS)
    assert html.startswith("<pre>*a*")
    check_harmless(html)


@pytest.mark.parametrize(
    "text",
    [
        ">" * 500 + "a\n" * 19_000,
        ("> " * 20 + "a\n" * 100) * 100,
        "*a**b" * 1_500,
        "`a" * 7_000,
        "[a](" * 3_000,
        "\n".join(" " * depth + "- a" for depth in range(200)),
        "* a\n  * b\n" * 4_000,
        "a\n=\n" * 10_000,
        "|a" * 3_000 + "\n" + "|-" * 3_000 + "\n" + "|a" * 1_000,
    ],
)
def test_nothing_takes_long(text: str) -> None:
    begun = time.process_time()
    check_harmless(safe_html(text))
    # A hundred times what an answer takes that is meant to be read, on a busy machine.
    assert time.process_time() - begun < 10
