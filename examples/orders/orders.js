// An order service on PostgreSQL and Redis, an ordinary program of one process. Knows nothing of Plimsoll but `traceparent`.
//
//   npm install pg ioredis
//   PORT=3000 DATABASE_URL=postgres://… STORE_URL=redis://… SETTINGS='{"index":false}' node orders.js
//
// SETTINGS says what is wrong with it; each start makes its tables afresh.
'use strict';

const http = require('node:http');
const { createHash, randomBytes } = require('node:crypto');
const { Pool } = require('pg');
const Redis = require('ioredis');

const settings = {
  orders: 600_000, // rows
  index: true, // on the orders' customer
  customers: 5000, // the orders are theirs in equal parts
  limit: true, // a customer's largest ten orders are shown, not all
  pool: 10, // connections to the database
  items: 1000, // rows of the stock
  held_ms: 2, // how long a reservation keeps its row
  write_kb: 0, // of a note that a reservation leaves
  advisory: false, // a reservation locks the whole stock, by an advisory lock
  report_ms: 0, // how long a report keeps its connection
  call_ms: 0, // how long a report asks somebody else meanwhile
  batch: true, // a basket is one statement, not one for each item
  read_ms: 0, // how long a statement of a basket waits for its storage
  stride: 7, // between the orders of a basket
  keys: false, // the feed is found by looking at every key of the store
  others: 60_000, // keys that the store has
  hashes: 50, // rounds of work for an invoice
  ...JSON.parse(process.env.SETTINGS || '{}'),
};

const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  application_name: 'app',
  max: settings.pool,
  min: 0,
});
const store = new Redis(process.env.STORE_URL, { maxRetriesPerRequest: 1 });

/** The statement, with the comment by which databases' tools tell whose it is (sqlcommenter). */
function tagged(text, route, request) {
  const trace = request.headers.traceparent;
  const of = trace ? `,traceparent='${encodeURIComponent(trace)}'` : '';
  return `${text} /*route='${route}'${of}*/`;
}

/** Orders of a basket, in one statement, which waits for its storage once. */
async function basketOf(which, id, request) {
  const far = settings.read_ms > 0;
  const read = far ? 'WITH read AS MATERIALIZED (SELECT pg_sleep($2)) ' : '';
  const text = `${read}SELECT id, total FROM orders${far ? ', read' : ''} WHERE id ${which}`;
  return (await pool.query(tagged(text, 'basket', request), far ? [id, settings.read_ms / 1000] : [id])).rows;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const routes = {
  async home() {
    return { greeting: await store.get('greeting') };
  },

  async orders(request, id) {
    const largest = 'SELECT id, total FROM orders WHERE customer = $1 ORDER BY total DESC LIMIT 10';
    const text = settings.limit ? largest : 'SELECT id, total, note FROM orders WHERE customer = $1 ORDER BY total DESC';
    return (await pool.query(tagged(text, 'orders', request), [id % settings.customers])).rows;
  },

  async basket(request, id) {
    const ids = Array.from({ length: 20 }, (_, i) => ((id * 31 + i * settings.stride) % settings.orders) + 1);
    if (settings.batch) return basketOf('= ANY($1)', ids, request);
    const rows = [];
    for (const one of ids) rows.push(...(await basketOf('= $1', one, request)));
    return rows;
  },

  /** Takes one from the stock, and keeps its row while it looks at something else. */
  async reserve(request, id) {
    const item = (id % settings.items) + 1;
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      if (settings.advisory) await client.query(tagged('SELECT pg_advisory_xact_lock(1)', 'reserve', request));
      if (settings.write_kb) {
        const note = randomBytes(settings.write_kb * 768).toString('base64');
        await client.query(tagged('INSERT INTO notes VALUES ($1)', 'reserve', request), [note]);
      }
      const lock = 'SELECT n FROM stock WHERE item = $1 FOR UPDATE';
      await client.query(tagged(lock, 'reserve', request), [item]);
      await pause(settings.held_ms);
      await client.query(tagged('UPDATE stock SET n = n - 1 WHERE item = $1', 'reserve', request), [item]);
      await client.query('COMMIT');
    } catch (e) {
      await client.query('ROLLBACK').catch(() => {});
      throw e;
    } finally {
      client.release();
    }
    return { item };
  },

  /** Keeps a connection while the database waits for something of its own. */
  async report(request) {
    if (settings.call_ms) return reportWithCall(request);
    const text = 'SELECT count(*), pg_sleep($1) FROM stock';
    const found = await pool.query(tagged(text, 'report', request), [settings.report_ms / 1000]);
    return { items: found.rows[0].count };
  },

  async feed() {
    const [key] = settings.keys ? await store.keys('feed:*') : ['feed:all'];
    return { entries: await store.lrange(key, 0, 19) };
  },

  async invoice(_, id) {
    let sum = String(id);
    for (let i = 0; i < settings.hashes; i++) sum = createHash('sha256').update(sum.repeat(64)).digest('hex');
    return { sum };
  },
};

/** Reads, asks somebody else while its transaction is open, and writes nothing. */
async function reportWithCall(request) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const found = await client.query(tagged('SELECT count(*) FROM stock', 'report', request));
    await pause(settings.call_ms);
    await client.query('COMMIT');
    return { items: found.rows[0].count };
  } finally {
    client.release();
  }
}

const paths = [
  [/^\/$/, 'home'],
  [/^\/customers\/(\d+)\/orders$/, 'orders'],
  [/^\/baskets\/(\d+)$/, 'basket'],
  [/^\/stock\/(\d+)$/, 'reserve'],
  [/^\/report$/, 'report'],
  [/^\/feed$/, 'feed'],
  [/^\/invoices\/(\d+)$/, 'invoice'],
];

async function answer(request, response) {
  const path = request.url.split('?')[0];
  for (const [pattern, name] of paths) {
    const found = pattern.exec(path);
    if (!found) continue;
    const body = JSON.stringify(await routes[name](request, Number(found[1] ?? 0)));
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(body);
  }
  response.writeHead(path === '/health' ? 204 : 404);
  response.end();
}

async function prepare() {
  await pool.query(`
    CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
    DROP TABLE IF EXISTS orders, stock, notes;
    CREATE TABLE notes (note text);
    CREATE TABLE orders AS SELECT n AS id, n % ${Number(settings.customers)} AS customer, n % 997 AS total, repeat('x', 60) AS note
      FROM generate_series(1, ${Number(settings.orders)}) n;
    ALTER TABLE orders ADD PRIMARY KEY (id);
    CREATE TABLE stock (item int PRIMARY KEY, n int);
    INSERT INTO stock SELECT n, 1000000 FROM generate_series(1, ${Number(settings.items)}) n;`);
  // As of a database that has been written to for a while: its buffers are full of what has still to reach the disk.
  if (settings.write_kb) {
    await pool.query(`INSERT INTO notes SELECT (SELECT string_agg(md5(n || ' ' || m), '') FROM generate_series(1, 2048) m)
      FROM generate_series(1, 3000) n`);
  }
  if (settings.index) await pool.query('CREATE INDEX ON orders (customer)');
  await pool.query('VACUUM ANALYZE orders');
  await pool.query('VACUUM ANALYZE stock');
  await store.flushdb();
  for (let n = 0; n < settings.others; n += 1000) {
    await store.mset(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`session:${n + i}`, 'x'.repeat(40)])));
  }
  await store.rpush('feed:all', ...Array.from({ length: 20 }, (_, i) => `entry ${i} of the feed`));
  await store.set('greeting', 'hello');
}

prepare().then(
  () => {
    const server = http.createServer((request, response) => {
      request.resume();
      answer(request, response).catch((e) => {
        response.writeHead(500);
        response.end(e.message);
      });
    });
    server.keepAliveTimeout = 60_000;
    server.listen(Number(process.env.PORT), '127.0.0.1');
  },
  (e) => {
    console.error(e.message);
    process.exit(1);
  },
);
