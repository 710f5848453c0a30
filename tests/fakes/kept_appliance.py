"""Stands in for the program of a home whose backups are tested: a database that is a file, `up`.

`up` fails where the master key says `bad`, and another word where the file `fails` in the home has
a line `WORD EXIT_CODE`. Run as `python kept_appliance.py -P -m MODULE WORDS`.
"""

import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

GENERATION = 1
HOME = Path(os.environ.get("CASEMATE_HOME", "."))
DATABASE = HOME / "instance" / "casemate.db"


def make_database(path: Path, content: str, *, generation: int = GENERATION) -> None:
    """A database of an instance that holds one text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE instance_identity (instance_id TEXT)")
        made.execute("INSERT INTO instance_identity VALUES ('12345678-aaaa')")
        made.execute("CREATE TABLE schema_generations (generation INTEGER)")
        made.execute("INSERT INTO schema_generations VALUES (?)", (generation,))
        made.execute("CREATE TABLE content (text TEXT)")
        made.execute("INSERT INTO content VALUES (?)", (content,))
        made.execute("CREATE TABLE restores (at TEXT)")
        made.commit()


def content_of(path: Path) -> str:
    """The text that a database holds."""
    with closing(sqlite3.connect(path)) as found:
        return str(found.execute("SELECT text FROM content").fetchone()[0])


def restores_of(path: Path) -> int:
    """How often a snapshot was merged into a database."""
    with closing(sqlite3.connect(path)) as found:
        return int(found.execute("SELECT count(*) FROM restores").fetchone()[0])


def generation_of(path: Path) -> int | None:
    """The form of a database; None where none can be read."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as found:
            return int(found.execute("SELECT generation FROM schema_generations").fetchone()[0])
    except sqlite3.Error:
        return None


def database(words: list[str]) -> None:
    """The `database` commands."""
    match words:
        case ["generation"]:
            print(json.dumps({"generation": GENERATION, "database": generation_of(DATABASE)}))
        case ["check"]:
            is_lost = generation_of(DATABASE) is None
            print(json.dumps({"ok": not is_lost, "problems": [], "lost": is_lost}))
            sys.exit(is_lost)
        case ["snapshot", "-"]:
            if DATABASE.exists() and generation_of(DATABASE) is None:
                sys.exit("It is damaged.")
            sys.stdout.buffer.write(DATABASE.read_bytes())
        case ["restore", "--as-it-was", "-"]:
            DATABASE.write_bytes(sys.stdin.buffer.read())
        case ["restore", file]:
            restore(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
            print(json.dumps({"epoch": 2}))
        case _:
            sys.exit(2)


def restore(content: bytes) -> None:
    """Merges, and refuses what the real one refuses."""
    if (generation_of(DATABASE) or 0) > GENERATION:
        sys.exit("database_too_new")
    DATABASE.parent.mkdir(exist_ok=True)
    DATABASE.write_bytes(content)
    with closing(sqlite3.connect(DATABASE)) as made:
        made.execute("INSERT INTO restores VALUES ('now')")
        made.commit()


def fail_as_told(word: str) -> None:
    """Ends where the test wants it to."""
    told = HOME / "fails"
    for line in told.read_text().splitlines() if told.exists() else ():
        name, code = line.split()
        if name == word:
            print(f"{word} fails.", file=sys.stderr)
            sys.exit(int(code))


def program(words: list[str]) -> None:
    """`casemate up` and `down`."""
    with (HOME / "calls").open("a") as calls:
        calls.write(f"{words[0]}\n")
    fail_as_told(words[0])
    if words[0] == "up" and (HOME / "keys" / "master.key").read_text() == "bad":
        print(json.dumps({"error": {"code": "not_ready", "message": "It does not come up."}}))
        sys.exit(1)
    print(json.dumps({"answer": "hello"}))


def main() -> None:
    """Does what the words say."""
    module, words = sys.argv[3], sys.argv[4:]
    if module == "install.leash":
        program(words[5:])
    elif words[:2] == ["audit", "record"]:
        with (HOME / "audited").open("a") as log:
            log.write(f"{words[2]} {sys.stdin.read()}\n")
    else:
        fail_as_told("put-back" if "--as-it-was" in words else words[1])
        database(words[1:])


if __name__ == "__main__":
    main()
