// The same as app.py, in Node's own server: node app.mjs PORT.
import { createServer } from 'node:http';

const seen = [];

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    if (request.url === '/seen') {
      response.end(JSON.stringify(seen.splice(0)));
      return;
    }
    seen.push([request.method, request.url, Buffer.concat(parts).toString('latin1')]);
    response.end('noted');
  });
});
server.listen(Number(process.argv[2]), '127.0.0.1');
