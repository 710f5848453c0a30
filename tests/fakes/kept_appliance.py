"""Stands in for the program of a home whose backups are tested: a database that is a file, `up`.

`up` fails where the master key says `bad`. Run as `python kept_appliance.py -P -m MODULE WORDS`.
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
        made.commit()


def content_of(path: Path) -> str:
    """The text that a database holds."""
    with closing(sqlite3.connect(path)) as found:
        return str(found.execute("SELECT text FROM content").fetchone()[0])


def database(words: list[str]) -> None:
    """The `database` commands."""
    match words:
        case ["generation"]:
            print(json.dumps({"generation": GENERATION, "database": GENERATION}))
        case ["snapshot", "-"]:
            sys.stdout.buffer.write(DATABASE.read_bytes())
        case ["restore", file]:
            content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
            DATABASE.parent.mkdir(exist_ok=True)
            DATABASE.write_bytes(content)
            print(json.dumps({"epoch": 2}))
        case _:
            sys.exit(2)


def program(words: list[str]) -> None:
    """`casemate up` and `down`."""
    with (HOME / "calls").open("a") as calls:
        calls.write(f"{words[0]}\n")
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
        database(words[1:])


if __name__ == "__main__":
    main()
