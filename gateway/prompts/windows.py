"""How much text a model takes, in tokens that are estimated without its tokenizer."""

import string
from math import ceil

# Characters a token, by kind, on the low side: estimating too many only cuts a little more, too few
# is refused by the model. Words of English and of code come to 3.5 to 4.5; many tokenizers
# take digits one by one, and hashes, operators and brackets in twos; other scripts need between one
# and three bytes a token.
_LETTERS = 3.0
_MARKS = 2.0
_BYTES = 2.0
_DIGITS = string.digits.encode()
_PUNCTUATION = string.punctuation.encode()
_NOT_ASCII = bytes(range(128, 256))

# What the model's own template puts around each message.
MESSAGE_TOKENS = 8

# An answer takes at most this part of a window, or a small model could be told nothing.
_ANSWER_PART = 3
_SHRINK = 0.7


def estimated_tokens(text: str) -> int:
    """About how many tokens a model makes of the text; rather too many than too few."""
    data = text.encode("utf-8", "replace")
    beyond = len(data) - len(data.translate(None, _NOT_ASCII))
    digits = len(data) - len(data.translate(None, _DIGITS))
    marks = len(data) - len(data.translate(None, _PUNCTUATION))
    letters = len(data) - beyond - digits - marks
    return ceil(letters / _LETTERS + marks / _MARKS + beyond / _BYTES) + digits


def answer_tokens(wanted: int, *, window_tokens: int) -> int:
    """How many tokens are kept free for the answer."""
    return max(1, min(wanted, window_tokens // _ANSWER_PART))


def smaller(window_tokens: int) -> int:
    """The window to render with again after a model found the prompt too long."""
    return int(window_tokens * _SHRINK)
