"""A small service with OpenTelemetry's Python SDK: `service.py NAME PORT EXPORTER ADDRESS`.

`/NAME/list` asks its database eight times, one after another; `/NAME/one` once. Each logs how often.
"""

import logging
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

name, port, exporter, address = sys.argv[1:]
if exporter == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    out = OTLPSpanExporter(endpoint=f"http://{address}", insecure=True)
    lines = OTLPLogExporter(endpoint=f"http://{address}", insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    out = OTLPSpanExporter(endpoint=f"http://{address}/v1/traces", compression=Compression.Gzip)
    lines = OTLPLogExporter(endpoint=f"http://{address}/v1/logs", compression=Compression.Gzip)

resource = Resource.create({"service.name": name})
provider = TracerProvider(resource=resource)
provider.add_span_processor(BatchSpanProcessor(out))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("service")
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(lines))
logger = logging.getLogger("service")
logger.addHandler(LoggingHandler(logger_provider=logs))


def ask(item):
    attributes = {"db.system": "postgresql", "db.statement": f"SELECT * FROM items WHERE id = {item}"}
    with tracer.start_as_current_span("SELECT", kind=trace.SpanKind.CLIENT, attributes=attributes):
        time.sleep(0.005)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parent = extract(dict((k.lower(), v) for k, v in self.headers.items()))
        with tracer.start_as_current_span("GET", context=parent, kind=trace.SpanKind.SERVER):
            calls = 8 if self.path.endswith("/list") else 1
            # The trace is that of the span which is open.
            logger.warning("asks %d times", calls)
            for item in range(calls):
                ask(item)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
