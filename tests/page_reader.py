"""What a browser would make of HTML that shows a model's words."""

import re
from html.parser import HTMLParser

TAGS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code"}
TAGS |= {"em", "strong", "s", "hr", "br", "table", "thead", "tbody", "tr", "th", "td", "a"}
VALUES = {
    "start": re.compile("[0-9]+"),
    "class": re.compile("language-[A-Za-z0-9_+#-]+"),
    "href": re.compile("/help/ai/error_codes#error-[amg][0-9]{4}"),
}


class _Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]


def check_harmless(html: str) -> None:
    """Passes when nothing of it loads, links elsewhere, or runs."""
    assert "<!" not in html
    assert "<?" not in html
    seen = _Seen(html)
    assert set(seen.tags) <= TAGS, seen.tags
    for tag, name, value in seen.attributes:
        assert (tag, name) in {("ol", "start"), ("code", "class"), ("a", "href")}
        assert VALUES[name].fullmatch(value or ""), value
