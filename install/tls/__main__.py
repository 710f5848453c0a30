"""`python -m install.tls`: renews certificates, or takes over new ones, while the services run."""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime

from install import bootstrap, config
from install.errors import InstallError
from install.places import Places
from install.tls import keeping

EVERY_S = 3600.0


def look(places: Places, *, now: datetime) -> str:
    """Does once what is to do; returns a line for the log, empty when there was nothing."""
    try:
        settings = config.load(places.config)
        renewed = keeping.put(places, settings, now=now) if settings else ()
    except (InstallError, OSError) as error:
        # The next look may find it put right; what is served until then goes on.
        return f"not renewed: {error}"
    return f"renewed: {', '.join(renewed)}" if renewed else ""


def main(*, sleep: Callable[[float], None] = time.sleep) -> None:
    """Looks again and again until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m install.tls", description=__doc__)
    parser.add_argument("--every", type=float, default=EVERY_S, metavar="SECONDS")
    every_s: float = parser.parse_args().every
    places = bootstrap.find_places()
    while True:
        now = datetime.now(UTC)
        line = look(places, now=now)
        if line:
            print(f"{now:%Y-%m-%dT%H:%M:%SZ} {line}", flush=True)
        sleep(every_s)


if __name__ == "__main__":
    main()
