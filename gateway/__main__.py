"""Runs the gateway, or sets it up: `python -m gateway serve | keys | pin`."""

import argparse
import gc
import logging
import signal
import sys
from contextlib import suppress

import msgspec
import structlog
import uvicorn
from litestar.types import ASGIApp
from pydantic import ValidationError

from gateway.app import create_app
from gateway.contract.egress import EgressRefusedError
from gateway.contract.ledger import Ledger
from gateway.contract.recorder import EgressRecorder
from gateway.contract.served_certificate import LOOK_EVERY_S, ServedCertificate
from gateway.edge.certificate import served_certificate
from gateway.edge.metrics import Metrics
from gateway.errors import GatewayError
from gateway.issuer.feed.reporting import release
from gateway.issuer.identity import make_identity
from gateway.issuer.pins import parse_pin, save_pin
from gateway.settings import Settings

# Open streams get this long to end when the gateway is asked to stop.
GRACE_S = 3
WRONG_SETTINGS = 2
STARTUP_FAILURE = 3
CUT_SHORT = "ASGI callable returned without completing response."


def configure_logging() -> None:
    """One JSON object a line on standard output; the libraries' chatter only from warnings up."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stdout)
    # An answer that is cut on purpose, as its model broke off, is told of by the relay.
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != CUT_SHORT)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )


def _to_json(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)


def serve(settings: Settings) -> None:
    """Serves until it is told to stop."""
    metrics = Metrics()
    certificate = _certificate(settings)
    if certificate is not None:
        served = certificate
        metrics.watch_certificate(lambda: served.expires_at)
    recorder = _record_egress(settings, metrics)
    app = create_app(settings, metrics, recorder=recorder)
    stop_metrics = metrics.serve(settings.gateway_metrics_port)
    log = structlog.get_logger()
    log.info("gateway_started", version=release(), port=settings.gateway_port)
    # What is loaded by now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    # uvicorn raises the signal that stopped it once more at its end; by then it is dealt with.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server = uvicorn.Server(_configuration(app, settings, certificate))
        with suppress(KeyboardInterrupt):
            server.run()
        if not server.started:
            sys.exit(STARTUP_FAILURE)
    finally:
        recorder.rest()
        stop_metrics()
        log.info("gateway_stopped")


def _record_egress(settings: Settings, metrics: Metrics) -> EgressRecorder:
    def refused(error: EgressRefusedError) -> None:
        metrics.refuse_egress(error.reason)
        structlog.get_logger().error("egress_refused", reason=error.reason, sentence=error.sentence)

    ledger = Ledger(settings.home / "egress", "gateway")
    recorder = EgressRecorder(refused, names=(settings.gateway_host,), ledger=ledger)
    sys.addaudithook(recorder)
    return recorder


def _certificate(settings: Settings) -> ServedCertificate | None:
    cert_file, key_file = settings.tls_cert_file, settings.tls_key_file
    if cert_file is None or key_file is None:
        return None
    return served_certificate(cert_file, key_file, is_mounted=settings.secrets_mounted)


def _configuration(
    app: ASGIApp, settings: Settings, certificate: ServedCertificate | None
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http="httptools",
        ws="none",
        interface="asgi3",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        # Who the peer is decides on addresses; a header may not say otherwise.
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
        callback_notify=certificate.refresh if certificate else None,
        timeout_notify=LOOK_EVERY_S,
    )


def main() -> int:
    """Runs one command; the exit code is 2 for settings or state that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve until stopped")
    commands.add_parser("keys", help="make the key pairs if missing, print the public halves")
    commands.add_parser("pin", help="read the instance to trust, as JSON, from standard input")
    command = parser.parse_args().command
    configure_logging()
    try:
        settings = Settings()
        if command == "serve":
            serve(settings)
        elif command == "keys":
            print(
                msgspec.json.encode(make_identity(settings.state_folder).public_halves()).decode()
            )
        else:
            save_pin(settings.state_folder, parse_pin(sys.stdin.buffer.read()))
            print('{"pinned": true}')
    except ValidationError as error:
        for problem in error.errors():
            place = "_".join(("CASEMATE", *(str(part) for part in problem["loc"]))).upper()
            print(f"{place}: {problem['msg']}", file=sys.stderr)
        return WRONG_SETTINGS
    except GatewayError as error:
        print(error.reason or error.message, file=sys.stderr)
        return WRONG_SETTINGS
    return 0


if __name__ == "__main__":
    sys.exit(main())
