// A small service with OpenTelemetry's Node SDK: `service.js NAME PORT EXPORTER ADDRESS`.
// `/NAME/list` asks its database eight times, one after another; `/NAME/one` once. Each logs how often.
'use strict';

const http = require('http');
const { context, propagation, trace, SpanKind } = require('@opentelemetry/api');
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { resourceFromAttributes } = require('@opentelemetry/resources');

const [, , name, port, exporter, address] = process.argv;
const kinds = { json: 'http', proto: 'proto', grpc: 'grpc' };
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kinds[exporter]}`);
const url = exporter === 'grpc' ? `http://${address}` : `http://${address}/v1/traces`;
const resource = resourceFromAttributes({ 'service.name': name });
const provider = new NodeTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
});
provider.register();
const tracer = trace.getTracer('service');
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${kinds[exporter]}`);
const to = exporter === 'grpc' ? `http://${address}` : `http://${address}/v1/logs`;
const lines = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor(new OTLPLogExporter({ url: to }))] });
const logger = lines.getLogger('service');

async function ask(item) {
  const attributes = { 'db.system.name': 'postgresql', 'db.query.text': `SELECT * FROM items WHERE id = ${item}` };
  const span = tracer.startSpan('SELECT', { kind: SpanKind.CLIENT, attributes });
  await new Promise((done) => setTimeout(done, 6));
  span.end();
}

http.createServer((request, answer) => {
  const parent = propagation.extract(context.active(), request.headers);
  tracer.startActiveSpan('GET', { kind: SpanKind.SERVER }, parent, async (span) => {
    const calls = request.url.endsWith('/list') ? 8 : 1;
    // The trace is that of the span which is open.
    logger.emit({ severityNumber: 13, severityText: 'WARN', body: `asks ${calls} times` });
    for (let item = 0; item < calls; item++) await ask(item);
    span.end();
    answer.end('ok');
  });
}).listen(Number(port), '127.0.0.1');
