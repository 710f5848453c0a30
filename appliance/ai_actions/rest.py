"""What helps people: the table of error codes, for programs too, and the documentation."""

from html import escape

from litestar import get
from litestar.params import FromPath

from appliance.accounts.rules import Access
from appliance.ai_actions.rules.chat.documentation import PAGES_PATH, load_library
from appliance.ai_actions.rules.codes import CODES, HELP_PATH, anchor
from appliance.ai_actions.rules.html import safe_html
from appliance.errors import NotFoundError

PATH = "/api/v4/ai/error_codes"


@get(PATH, opt={"access": Access.SELF})
async def list_error_codes() -> list[dict[str, str]]:
    """Every code that a failed request may end with, what it means, and what helps."""
    return [
        {"code": each.code, "message": each.message, "fix": each.fix} for each in CODES.values()
    ]


@get(HELP_PATH, opt={"access": Access.PUBLIC}, media_type="text/html")
async def show_error_codes() -> str:
    """The page that the answer to a failed request leads to."""
    sections = "".join(
        f'<h2 id="{anchor(each.code)}">{each.code}</h2>'
        f"<p>{escape(each.message)}</p><p>{escape(each.fix)}</p>"
        for each in CODES.values()
    )
    return _page("Error codes", f"<h1>Error codes of AI features</h1>{sections}")


@get(f"{PAGES_PATH}/{{name:str}}", opt={"access": Access.PUBLIC}, media_type="text/html")
async def show_documentation(*, name: FromPath[str]) -> str:
    """A page of the documentation, to which chat's answers lead."""
    page = next((each for each in load_library().pages if each.name == name), None)
    if page is None:
        raise NotFoundError(what="Page")
    return _page(page.title, f"<h1>{escape(page.title)}</h1>{safe_html(page.text)}")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{escape(title)}</title>{body}</html>"
    )


handlers = (list_error_codes, show_error_codes, show_documentation)
