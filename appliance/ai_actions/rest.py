"""The table of error codes, for programs and for people."""

from html import escape

from litestar import get

from appliance.accounts.rules import Access
from appliance.ai_actions.rules.codes import CODES, HELP_PATH, anchor

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
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Error codes</title>'
        f"<h1>Error codes of AI features</h1>{sections}</html>"
    )


handlers = (list_error_codes, show_error_codes)
