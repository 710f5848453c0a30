"""The passphrase of a backup: from a file of its owner, or asked for on the terminal."""

import getpass
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from install.backup.errors import PassphraseError

LEAST_CHARS = 12
HOW = "give --passphrase-file FILE, or set CASEMATE_BACKUP_PASSPHRASE_FILE"
Ask = Callable[[str], str]


def from_file(path: Path) -> bytes:
    """The first line of a file that only its owner can read.

    Raises:
        PassphraseError: there is none, others can read it, or it is too short.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        sentence = f"The passphrase file {path} cannot be read."
        raise PassphraseError(sentence) from cause
    if mode & 0o077:
        sentence = f"Others can read {path} (mode {mode:04o}); run `chmod 600` on it."
        raise PassphraseError(sentence)
    return _checked(text.split("\n", 1)[0].rstrip("\r"))


def from_terminal(*, twice: bool, ask: Ask = getpass.getpass) -> bytes:
    """What a person types, unseen; twice when nothing could tell a slip later.

    Raises:
        PassphraseError: nobody is there to ask, the two differ, or it is too short.
    """
    if not sys.stdin.isatty():
        sentence = f"There is no passphrase: {HOW}."
        raise PassphraseError(sentence)
    text = ask("Passphrase of the backup: ")
    if twice and ask("The same again: ") != text:
        sentence = "The two differ; nothing was done."
        raise PassphraseError(sentence)
    return _checked(text)


def _checked(text: str) -> bytes:
    if len(text) < LEAST_CHARS:
        sentence = f"The passphrase must have at least {LEAST_CHARS} characters."
        raise PassphraseError(sentence)
    return text.encode()
