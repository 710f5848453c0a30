"""Turns a model's Markdown into HTML that can do nothing but be read."""

import html
import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from appliance.ai_actions.rules.codes import HELP_PATH

# A model's longest answer has about 16,000; what lies beyond is shown as it is written.
MAX_CHARS = 40_000
# Deeper than any list that is read; each level costs the parser a pass over what is inside.
MAX_NESTING = 20
# Where the parser would try every opening mark against every closing one.
MAX_MARKS = 8_000

_MARKS = re.compile(r"[*_~`<\[\]|>&\\]")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#-]{1,30}")
# The one link there is: from an error's code to what to do about it, on this instance.
_CODE_LINK = re.compile(rf"\[([AMG][0-9]{{4}})\]\({re.escape(HELP_PATH)}#error-([amg][0-9]{{4}})\)")
_KEPT_ATTRIBUTES = frozenset({"start"})


def safe_html(markdown: str) -> str:
    """The HTML of `markdown`, in which nothing of the model's loads, links or runs.

    Links and images stay the text that they were written as, raw HTML too.
    """
    text = markdown.replace("\0", "")
    shown, rest = text[:MAX_CHARS], text[MAX_CHARS:]
    if len(_MARKS.findall(shown)) > MAX_MARKS:
        shown, rest = "", text
    rendered = _PARSER.render(shown) if shown else ""
    return rendered + (f"<pre>{html.escape(rest)}</pre>\n" if rest else "")


def _code_link(state: StateInline, silent: bool) -> bool:  # noqa: FBT001  # the parser's own form
    # Only the rule for links looks ahead silently, and there is none.
    del silent
    found = _CODE_LINK.match(state.src, state.pos, state.posMax)
    if found is None or found[1].lower() != found[2]:
        return False
    opening = state.push("link_open", "a", 1)
    opening.attrs = {"href": f"{HELP_PATH}#error-{found[2]}"}
    opening.meta = {"is_ours": True}
    state.push("text", "", 0).content = found[1]
    state.push("link_close", "a", -1)
    state.pos = found.end()
    return True


class _Parser:
    """The Markdown that is understood: CommonMark with tables, less all that points elsewhere."""

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
        self._markdown.enable(["table", "strikethrough"])
        self._markdown.disable(
            ["image", "link", "autolink", "reference", "html_block", "html_inline"]
        )
        self._markdown.inline.ruler.push("code_link", _code_link)

    def render(self, text: str) -> str:
        tokens = self._markdown.parse(text)
        for token in tokens:
            _strip(token)
        rendered: str = self._markdown.renderer.render(tokens, self._markdown.options, {})
        return rendered


def _strip(token: Token) -> None:
    if not token.meta.get("is_ours"):
        token.attrs = {
            name: value for name, value in token.attrs.items() if name in _KEPT_ATTRIBUTES
        }
    if token.type == "fence" and not _LANGUAGE.fullmatch(token.info.strip()):
        token.info = ""
    for child in token.children or ():
        _strip(child)


_PARSER = _Parser()
