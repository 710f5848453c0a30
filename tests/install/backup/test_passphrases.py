import sys
from pathlib import Path

import pytest

from install.backup.errors import PassphraseError
from install.backup.passphrases import from_file, from_terminal


def test_the_first_line_of_a_private_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text("correct horse battery\nno more\n")
    path.chmod(0o644)
    with pytest.raises(PassphraseError, match="chmod 600"):
        from_file(path)
    path.chmod(0o600)
    assert from_file(path) == b"correct horse battery"
    path.write_text("short\n")
    with pytest.raises(PassphraseError, match="at least 12"):
        from_file(path)
    with pytest.raises(PassphraseError, match="cannot be read"):
        from_file(tmp_path / "none")


def test_a_person_is_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["correct horse battery", "correct horse battery", "correct horse battery", "no"])
    with pytest.raises(PassphraseError, match="--passphrase-file"):
        from_terminal(twice=True, ask=lambda _prompt: next(said))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert from_terminal(twice=True, ask=lambda _prompt: next(said)) == b"correct horse battery"
    with pytest.raises(PassphraseError, match="differ"):
        from_terminal(twice=True, ask=lambda _prompt: next(said))
