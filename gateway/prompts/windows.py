"""How much text a model takes, in tokens that are estimated without its tokenizer."""

import string
from math import ceil

# Tokens a byte, by kind. Measured 2026-11 with three tokenizers (49,000 entries by bytes, 32,000 of
# sentencepiece, 131,000 by bytes), estimate to truth: English 1.2 to 1.4, code, diffs, tables 1.0
# to 1.6, logs 0.9, other scripts 0.8 (the small ones) to 3. What is no language (base64, random
# letters) comes to 0.5 to 0.75; the model then says that it is too much, and is asked again with a
# smaller window. Sums of these fractions are exact: parts never come to less than their whole.
_TOKENS: tuple[tuple[bytes, float], ...] = (
    (string.ascii_lowercase.encode(), 5 / 16),
    (string.ascii_uppercase.encode(), 5 / 8),
    (string.digits.encode(), 1),
    (string.punctuation.encode(), 7 / 8),
    (b" \t", 3 / 16),
    (b"\r\n", 3 / 4),
    (bytes(range(128, 256)), 1 / 2),
)

# What the model's own template puts around each message.
MESSAGE_TOKENS = 8

# An answer takes at most this part of a window, or a small model could be told nothing.
_ANSWER_PART = 3
_SHRINK = 0.7


def estimated_tokens(text: str) -> int:
    """About how many tokens a model makes of the text; of most texts rather too many."""
    tokens = 0.0
    rest = text.encode("utf-8", "replace")
    for kind, weight in _TOKENS:
        before = len(rest)
        rest = rest.translate(None, kind)
        tokens += (before - len(rest)) * weight
    return ceil(tokens)


def answer_tokens(wanted: int, *, window_tokens: int) -> int:
    """How many tokens are kept free for the answer."""
    return max(1, min(wanted, window_tokens // _ANSWER_PART))


def smaller(window_tokens: int) -> int:
    """The window to render with again after a model found the prompt too long."""
    return int(window_tokens * _SHRINK)
