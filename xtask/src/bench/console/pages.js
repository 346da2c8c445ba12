// The console as people use it: `pages.js PART ADDRESS CHROMIUM FOLDER`. Ends with an error at the first thing that is not so;
// pictures of the pages are left in FOLDER.
'use strict';

const assert = require('assert');
const path = require('path');
const { chromium } = require('playwright-core');
const axe = require('fs').readFileSync(require.resolve('axe-core'), 'utf8');

const [part, address, executablePath, folder] = process.argv.slice(2);
const PAGES = { line: '/', routes: '/routes', route: '/routes/product', traces: '/traces', advice: '/advice', slos: '/slos', cost: '/cost', incidents: '/incidents', catalog: '/catalog', history: '/history', generation: '/history/1', signin: '/signin' };
const LEARN_MS = 150_000;
const LOOKS = [
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1200, height: 760 } },
  { name: 'light', colorScheme: 'light', viewport: { width: 1200, height: 760 } },
  { name: 'phone', colorScheme: 'dark', viewport: { width: 390, height: 760 } },
];

/// A page of which nothing may go wrong, nor ask anybody else.
async function open(browser, look, more = {}) {
  const context = await browser.newContext({ ...look, ...more, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.wrong = [];
  page.on('console', (m) => m.type() === 'error' && page.wrong.push(m.text()));
  page.on('pageerror', (e) => page.wrong.push(String(e)));
  page.on('request', (r) => r.url().startsWith(address) || r.url().startsWith('data:') || page.wrong.push(`asks ${r.url()}`));
  return page;
}

async function accessible(page, what) {
  // The policy allows no script of ours, so it is run from outside.
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
  const told = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join('\n')}`);
  assert.deepStrictEqual(told, [], what);
}

async function shot(page, name) {
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
}

/// What it says before anything is known.
async function learns(browser) {
  const page = await open(browser, LOOKS[0]);
  for (const at of ['/', '/advice', '/routes', '/history']) {
    await page.goto(address + at);
    await accessible(page, `${at} while it learns`);
  }
  await page.goto(address);
  await page.getByText(/waiting for traffic|learning/i).first().waitFor();
  await shot(page, 'learning-dark');
  assert.deepStrictEqual(page.wrong, [], 'while it learns');
}

/// What comes to be known is shown without a new page.
async function knows(page) {
  await page.goto(`${address}/advice`);
  await page.locator('.proposal').first().waitFor({ timeout: LEARN_MS });
}

async function looks(browser) {
  for (const look of LOOKS) {
    const page = await open(browser, look);
    for (const [name, at] of Object.entries(PAGES)) {
      await page.goto(address + at);
      await accessible(page, `${at}, ${look.name}`);
      const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
      assert.ok(wide <= look.viewport.width, `${at}, ${look.name} is ${wide} px wide`);
      await shot(page, `${name}-${look.name}`);
      if (name === 'traces') {
        await page.locator('tbody a').first().click();
        await page.getByRole('heading', { name: 'Step by step' }).waitFor();
        await accessible(page, `a trace, ${look.name}`);
        const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
        assert.ok(wide <= look.viewport.width, `a trace, ${look.name} is ${wide} px wide`);
        await shot(page, `trace-${look.name}`);
      }
      if (name === 'route') await page.locator('[data-part=heat]').screenshot({ path: path.join(folder, `heat-${look.name}.png`) });
    }
    assert.deepStrictEqual(page.wrong, [], look.name);
    await page.context().close();
  }
}

async function lives(page) {
  await page.goto(address);
  await page.locator('#live', { hasText: 'live' }).waitFor();
  const newest = () => page.evaluate(() => document.querySelector('plim-chart').steps.at(-1).at);
  const before = await newest();
  await page.waitForFunction((before) => document.querySelector('plim-chart').steps.at(-1).at > before, before);
}

async function keys(page) {
  await page.goto(address);
  await page.keyboard.press('Tab');
  assert.strictEqual(await page.evaluate(() => document.activeElement.className), 'skip');
  const chart = page.locator('plim-chart').first();
  await chart.locator('svg').focus();
  await page.keyboard.press('Home');
  const says = chart.locator('.says');
  assert.match(await says.textContent(), /^\d\d:\d\d:\d\d/);
  const first = await says.textContent();
  await page.keyboard.press('Shift+ArrowRight');
  assert.notStrictEqual(await says.textContent(), first);
  await page.locator('plim-chart summary').first().click();
  assert.ok(await chart.locator('tbody tr').count() > 10);
}

async function withoutScripts(browser) {
  const page = await open(browser, LOOKS[0], { javaScriptEnabled: false });
  await page.goto(`${address}/routes?q=prod`);
  await page.getByRole('link', { name: 'product' }).click();
  await page.getByRole('heading', { name: 'product', exact: true }).waitFor();
  await page.goto(`${address}/advice`);
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.getByRole('row', { name: /^Load line/ }).waitFor();
}

async function tries(page) {
  await page.goto(`${address}/advice`);
  const proposal = page.locator('.proposal', { has: page.locator('select[name=share]') }).first();
  await proposal.getByLabel('Your name').fill('ann');
  await proposal.getByRole('button', { name: 'Try it' }).click();
  await page.getByText(/^Trying:/).waitFor();
  await accessible(page, 'a trial');
  // It comes by the stream, without a new page.
  await page.getByText(/of the users are on it|watching/).waitFor({ timeout: 30_000 });
  await shot(page, 'trial-dark');
  await page.getByRole('button', { name: 'Roll it back' }).click();
  await page.getByText(/^Trying:/).waitFor({ state: 'detached' });
  await page.goto(`${address}/history`);
  await page.getByText(/withdrawn/).first().waitFor();
  assert.ok((await page.locator('main').textContent()).includes('ann'));
}

(async () => {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  try {
    if (part === 'learning') return await learns(browser);
    const page = await open(browser, LOOKS[0]);
    await knows(page);
    await looks(browser);
    await lives(page);
    await keys(page);
    await withoutScripts(browser);
    await tries(page);
    assert.deepStrictEqual(page.wrong, []);
    console.log(`the console in Chromium ${browser.version()}: ${Object.keys(PAGES).length} pages, ${LOOKS.length} looks, no finding of axe`);
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
