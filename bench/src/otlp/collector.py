"""Stands for a collector, by OpenTelemetry's own messages: `collector.py HTTP_PORT GRPC_PORT`.

Ends with 0 once everything that Plimsoll is to send has come and is as it should be, else after a while with what is wrong.
JSON is read strictly: a field that OTLP does not have is an error.
"""

import base64
import gzip
import json
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc

PATIENCE_S = 40
SERVER, CLIENT, ERROR = 2, 3, 2
CUMULATIVE = 2
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

lock = threading.Lock()
spans, metrics, wrong = [], {}, []


def value(v):
    return getattr(v, v.WhichOneof("value"))


def attributes(pairs):
    return {a.key: value(a.value) for a in pairs}


def take_traces(request):
    with lock:
        for r in request.resource_spans:
            service = attributes(r.resource.attributes)["service.name"]
            for s in r.scope_spans:
                spans.extend((service, span, attributes(span.attributes)) for span in s.spans)


def take_metrics(request):
    with lock:
        for r in request.resource_metrics:
            if attributes(r.resource.attributes)["service.name"] == "plimsoll":
                for s in r.scope_metrics:
                    metrics.update((m.name, m) for m in s.metrics)


def to_base64(of):
    """JSON of OTLP has ids in hexadecimal where JSON of protobuf has bytes in base64."""
    if isinstance(of, list):
        return [to_base64(v) for v in of]
    if not isinstance(of, dict):
        return of
    ids = ("traceId", "spanId", "parentSpanId")
    return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in ids else to_base64(v) for k, v in of.items()}


KINDS = {
    "/v1/traces": (trace_pb2.ExportTraceServiceRequest, trace_pb2.ExportTraceServiceResponse, take_traces),
    # Services send theirs as well; nothing is asked of them here.
    "/v1/logs": (logs_pb2.ExportLogsServiceRequest, logs_pb2.ExportLogsServiceResponse, lambda request: None),
    "/v1/metrics": (metrics_pb2.ExportMetricsServiceRequest, metrics_pb2.ExportMetricsServiceResponse, take_metrics),
}


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        kind, answer = self.headers["content-type"], b""
        try:
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            request, response, take = KINDS[self.path]
            message = request()
            if kind == "application/json":
                json_format.ParseDict(to_base64(json.loads(body)), message)
                answer = json_format.MessageToJson(response()).encode()
            else:
                assert kind == "application/x-protobuf", kind
                message.ParseFromString(body)
                answer = response().SerializeToString()
            take(message)
            status = 200
        except Exception as e:
            wrong.append(f"{self.path} {kind}: {e!r}")
            status = 400
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Traces(trace_grpc.TraceServiceServicer):
    def Export(self, request, context):
        take_traces(request)
        return trace_pb2.ExportTraceServiceResponse()


class Metrics(metrics_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        take_metrics(request)
        return metrics_pb2.ExportMetricsServiceResponse()


class Logs(logs_grpc.LogsServiceServicer):
    def Export(self, request, context):
        return logs_pb2.ExportLogsServiceResponse()


def points(name):
    histogram = metrics[name].histogram
    assert histogram.aggregation_temporality == CUMULATIVE, name
    assert metrics[name].unit == "s", name
    for p in histogram.data_points:
        assert list(p.explicit_bounds) == BOUNDS, p
        assert p.count == sum(p.bucket_counts) and len(p.bucket_counts) == len(BOUNDS) + 1, p
        assert 0 < p.start_time_unix_nano < p.time_unix_nano, p
        yield p, attributes(p.attributes)


def judge():
    """Raises while something is missing or wrong."""
    assert not wrong, wrong
    ours = [s for s in spans if s[0] == "plimsoll"]
    for span, a in [s[1:] for s in ours]:
        assert len(span.trace_id) == 16 and len(span.span_id) == 8, span
        assert abs(time.time_ns() - span.end_time_unix_nano) < 60e9, "times are of the calendar"
        assert span.start_time_unix_nano <= span.end_time_unix_nano, span
    servers = [s for s in ours if s[1].kind == SERVER]
    good = [s for s in servers if s[2]["http.response.status_code"] == 200]
    bad = [s for s in servers if s[2]["http.response.status_code"] >= 500]
    assert len(good) == 2 and len(bad) == 1, f"{len(good)} good and {len(bad)} bad requests"
    for _, server, a in good:
        assert server.name == "GET /ok/{page}" and a["http.route"] == "/ok/{page}", server
        assert server.trace_id.hex() == "0123456789abcdef0123456789abcdef", server
        assert server.parent_span_id.hex() == "0123456789abcdef", server
        assert server.status.code != ERROR and a["plimsoll.kept"] == "share", server
        tries = [s for s in ours if s[1].parent_span_id == server.span_id]
        assert len(tries) == 1 and tries[0][1].kind == CLIENT, tries
        # The instance's own span lies below the try.
        below = [s for s in spans if s[1].parent_span_id == tries[0][1].span_id]
        assert [s[0] for s in below] == ["ok"], f"spans of the instance: {below}"
    _, server, a = bad[0]
    assert server.status.code == ERROR and a["error.type"] == str(a["http.response.status_code"]), server
    assert a["plimsoll.kept"] == "error", server

    counts = {a["plimsoll.route"]: p for p, a in points("http.server.request.duration")}
    assert (counts["ok"].count, counts["gone"].count) == (2, 1), counts
    traces = {e.trace_id for e in counts["ok"].exemplars}
    assert traces == {good[0][1].trace_id}, "exemplars are traces that were sent"
    assert any(a["server.address"] == "127.0.0.1" for _, a in points("http.client.request.duration"))
    requests = metrics["plimsoll_requests"].sum
    assert requests.is_monotonic and requests.aggregation_temporality == CUMULATIVE, requests
    assert sum(p.as_double for p in requests.data_points) == 3, requests
    assert metrics["process_resident_memory_bytes"].gauge.data_points[0].as_double > 1e6
    assert metrics["plimsoll_request_duration_seconds"].histogram.data_points


http_port, grpc_port = sys.argv[1:]
server = grpc.server(futures.ThreadPoolExecutor(4))
trace_grpc.add_TraceServiceServicer_to_server(Traces(), server)
metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
logs_grpc.add_LogsServiceServicer_to_server(Logs(), server)
server.add_insecure_port(f"127.0.0.1:{grpc_port}")
server.start()
http = ThreadingHTTPServer(("127.0.0.1", int(http_port)), Http)
threading.Thread(target=http.serve_forever, daemon=True).start()

until = time.time() + PATIENCE_S
while True:
    try:
        with lock:
            judge()
        break
    except Exception as e:
        if time.time() > until:
            sys.exit(f"{e!r}; spans: {[(s[0], s[1].name) for s in spans]}; metrics: {sorted(metrics)}")
    time.sleep(0.1)
