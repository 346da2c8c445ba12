// A small service with OpenTelemetry's Node SDK: `service.js NAME PORT EXPORTER ADDRESS`.
// `/NAME/list` asks its database eight times, one after another; `/NAME/one` once.
'use strict';

const http = require('http');
const { context, propagation, trace, SpanKind } = require('@opentelemetry/api');
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { resourceFromAttributes } = require('@opentelemetry/resources');

const [, , name, port, exporter, address] = process.argv;
const kinds = { json: 'http', proto: 'proto', grpc: 'grpc' };
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kinds[exporter]}`);
const url = exporter === 'grpc' ? `http://${address}` : `http://${address}/v1/traces`;
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': name }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
});
provider.register();
const tracer = trace.getTracer('service');

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
    for (let item = 0; item < calls; item++) await ask(item);
    span.end();
    answer.end('ok');
  });
}).listen(Number(port), '127.0.0.1');
