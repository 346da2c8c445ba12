// A server of gRPC and a client of gRPC-Web, for the test of `grpc_web`: `peers.js serve ADDRESS`, or `peers.js call ADDRESS`.
'use strict';

const same = (bytes) => bytes;
const method = (path, responseStream) => ({
  path, requestStream: false, responseStream,
  requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
});
const SERVICE = {
  echo: method('/shop.Shop/Echo', false),
  count: method('/shop.Shop/Count', true),
  missing: method('/shop.Shop/Missing', false),
};

function serve(address) {
  const grpc = require('@grpc/grpc-js');
  const server = new grpc.Server();
  server.addService(SERVICE, {
    echo: (call, done) => done(null, call.request),
    count: (call) => {
      for (let i = 0; i < call.request[0]; i++) call.write(Buffer.from([i]));
      call.end();
    },
    missing: (_call, done) => done({ code: grpc.status.NOT_FOUND, details: 'no such product' }),
  });
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

async function call(address) {
  global.XMLHttpRequest = require('xhr2');
  const web = require('grpc-web');
  const assert = require('assert');
  for (const format of ['text', 'binary']) {
    const client = new web.GrpcWebClientBase({ format });
    const kind = (streams) => (streams ? web.MethodType.SERVER_STREAMING : web.MethodType.UNARY);
    const describe = (m) => new web.MethodDescriptor(
      m.path, kind(m.responseStream), Object, Object, (m) => Uint8Array.from(m), (b) => Array.from(b));
    const unary = (m, bytes) => new Promise((good, bad) => {
      const url = `http://${address}${m.path}`;
      client.rpcCall(url, bytes, {}, describe(m), (error, answer) => (error ? bad(error) : good(answer)));
    });
    for (const size of [0, 1, 2, 3, 5000]) {
      const bytes = Array.from({ length: size }, (_, i) => i % 251);
      assert.deepStrictEqual(await unary(SERVICE.echo, bytes), bytes, `${format} ${size}`);
    }
    const failed = await unary(SERVICE.missing, [1]).catch((error) => error);
    assert.deepStrictEqual([failed.code, failed.message], [5, 'no such product'], format);
    if (format === 'text') {
      // The client streams in text only.
      const counted = await new Promise((good, bad) => {
        const all = [];
        const stream = client.serverStreaming(`http://${address}${SERVICE.count.path}`, [5], {}, describe(SERVICE.count));
        stream.on('data', (m) => all.push(m[0]));
        stream.on('error', bad);
        stream.on('end', () => good(all));
      });
      assert.deepStrictEqual(counted, [0, 1, 2, 3, 4]);
    }
    console.log(`${format} well`);
  }
}

const [, , what, address] = process.argv;
if (what === 'serve') serve(address);
else call(address).catch((error) => { console.error(error); process.exit(1); });
