"""The instance as a service: it listens, logs JSON to standard output, and ends in order."""

import gc
import logging
import sys
from contextlib import suppress

import prometheus_client
import structlog
import uvicorn
from prometheus_client import CollectorRegistry, Gauge

from appliance.app import MAX_BODY_BYTES, create_app
from appliance.certificates import served_certificate
from appliance.errors import ApplianceError
from appliance.serving import Server, allow_many_connections
from appliance.settings import Settings
from gateway.contract.served_certificate import LOOK_EVERY_S, ServedCertificate

STARTUP_FAILURE = 3
# Open streams may finish for this long once the instance is told to stop.
GRACE_S = 3


def serve(settings: Settings) -> None:
    """Answers until it is told to stop.

    Raises:
        ApplianceError: the settings, the certificate or the port of the metrics cannot be used.
    """
    _configure_logging()
    allow_many_connections()
    certificate = _certificate(settings)
    app = create_app(settings)
    if certificate is not None:
        _show_expiry(certificate, app.state.registry)
    try:
        prometheus_client.start_http_server(
            settings.instance_metrics_port, addr="127.0.0.1", registry=app.state.registry
        )
    except OSError as cause:
        app.state.db.close()
        raise MetricsPortError(settings.instance_metrics_port) from cause
    sys.addaudithook(app.state.recorder)
    server = Server(
        uvicorn.Config(
            app,
            host=settings.instance_host,
            port=settings.instance_port,
            log_config=None,
            access_log=False,
            server_header=False,
            # Who the peer is decides on addresses; a header counts only from a trusted proxy.
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
            ws="websockets-sansio",
            ws_max_size=MAX_BODY_BYTES,
            # Of small frames it saves little, and costs each idle subscriber much memory.
            ws_per_message_deflate=False,
            ssl_context_factory=(lambda *_: certificate.context) if certificate else None,
            callback_notify=certificate.refresh if certificate else None,
            timeout_notify=LOOK_EVERY_S,
        ),
        on_shutdown=app.state.let_go,
    )
    # What is loaded by now stays; a search for garbage in it holds all answers up for 0.14 s.
    gc.freeze()
    try:
        with suppress(KeyboardInterrupt):
            server.run()
    finally:
        # A hook stays with its process, which may go on.
        app.state.recorder.rest()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _certificate(settings: Settings) -> ServedCertificate | None:
    cert_file, key_file = settings.tls_cert_file, settings.tls_key_file
    if cert_file is None or key_file is None:
        return None
    return served_certificate(cert_file, key_file, is_mounted=settings.secrets_mounted)


def _show_expiry(certificate: ServedCertificate, registry: CollectorRegistry) -> None:
    gauge = Gauge(
        "casemate_instance_tls_certificate_expires_seconds",
        "When the certificate ends, in seconds since the epoch",
        registry=registry,
    )
    gauge.set_function(lambda: certificate.expires_at)


class MetricsPortError(ApplianceError):
    """The metrics port cannot be listened on."""

    code = "metrics_port_unusable"

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} for the metrics is taken or forbidden; "
            "set CASEMATE_INSTANCE_METRICS_PORT to another."
        )


def _configure_logging() -> None:
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # They log addresses with their queries, or a line for each migration and request.
    for noisy in ("httpx", "httpcore", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_not_of_one_socket)


def _is_not_of_one_socket(record: logging.LogRecord) -> bool:
    # Each is told of in three lines, one of them with the query.
    return not str(record.msg).startswith(("connection ", '%s - "WebSocket'))
