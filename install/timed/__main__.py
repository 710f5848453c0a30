"""`python -m install.timed`: renews certificates and makes backups while the services run."""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from install import bootstrap, config
from install.backup import schedule
from install.errors import InstallError
from install.places import Places
from install.tls import keeping

EVERY_S = 60.0
RENEW_EVERY = timedelta(hours=1)


def renew(places: Places, *, now: datetime) -> str:
    """Renews what is due, or takes over new files; a line for the log, empty for nothing."""
    try:
        settings = config.load(places.config)
        if settings is None or not (settings.tls or settings.ca):
            return ""
        renewed = keeping.put(places, settings, now=now)
    except (InstallError, OSError) as error:
        # The next look may find it put right; what is served until then goes on.
        return f"not renewed: {error}"
    return f"renewed: {', '.join(renewed)}" if renewed else ""


def look(
    places: Places, *, now: datetime, renewed_at: datetime | None, unwritten: schedule.Unwritten
) -> Iterator[str]:
    """Does once what is to do; a line for the log on each thing that was done."""
    if renewed_at is None or abs(now - renewed_at) >= RENEW_EVERY:
        yield renew(places, now=now)
    yield schedule.look(places, now=now, unwritten=unwritten)


def main(
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Looks again and again until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m install.timed", description=__doc__)
    parser.add_argument("--every", type=float, default=EVERY_S, metavar="SECONDS")
    every_s: float = parser.parse_args().every
    places = bootstrap.find_places()
    renewed_at: datetime | None = None
    unwritten = schedule.Unwritten()
    while True:
        now = clock()
        for line in look(places, now=now, renewed_at=renewed_at, unwritten=unwritten):
            # The log may lie on the disk that is full.
            with suppress(OSError):
                if line:
                    print(f"{now:%Y-%m-%dT%H:%M:%SZ} {line}", flush=True)
        if renewed_at is None or abs(now - renewed_at) >= RENEW_EVERY:
            renewed_at = now
        sleep(every_s)


if __name__ == "__main__":
    main()
