"""One line of JSON on standard output for each event."""

import sys
from typing import Any

import structlog


class PatientOutput:
    """Writes whole lines to standard output, and goes on when nobody reads them any more.

    The supervisor that reads may be killed first; ending vLLM must still work then.
    """

    def msg(self, message: str) -> None:
        """Writes one line."""
        try:
            sys.stdout.write(message + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            return

    info = warning = error = msg


def configure() -> None:
    """Sets structlog up for this process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=_output,
        cache_logger_on_first_use=False,
    )


def _output(*_names: Any) -> PatientOutput:
    return PatientOutput()
