"""Turns a model's Markdown into HTML that can do nothing but be read."""


def safe_html(markdown: str) -> str:
    """The HTML of `markdown`, without a link, an image, or anything else that loads or runs."""
    raise NotImplementedError
