"""A stand-in for the instance that answers what it is told to, and notes what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes import parts


@dataclass
class Desk:
    """`answers` by method and path with its query; a status other than 200 as a pair with it."""

    answers: dict[str, Any]
    heard: list[tuple[str, Any]] = field(default_factory=list)


@contextmanager
def open_desk(port: int, answers: dict[str, Any]) -> Iterator[Desk]:
    desk = Desk(answers)

    class Clerk(parts.Surface):
        def reply(self) -> None:
            asked = f"{self.command} {self.path}"
            desk.heard.append((asked, self.body()))
            if self.headers.get("PRIVATE-TOKEN") != parts.TOKEN:
                self.answer(401, {"message": "401 Unauthorized", "code": "invalid_token"})
                return
            found = desk.answers.get(asked, (404, {"message": "404 Not Found", "code": "x"}))
            self.answer(*(found if isinstance(found, tuple) else (200, found)))

        do_GET = do_POST = do_PUT = do_DELETE = reply  # noqa: N815  # the server's own names

    server = parts.serve(Clerk, port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
