// The console as people use it: `pages.js PART ADDRESS CHROMIUM FOLDER`. Ends with an error at the first thing that is not so;
// pictures of the pages are left in FOLDER.
'use strict';

const assert = require('assert');
const path = require('path');
const { chromium } = require('playwright-core');
const axe = require('fs').readFileSync(require.resolve('axe-core'), 'utf8');

const [part, address, executablePath, folder] = process.argv.slice(2);
const PAGES = { line: '/', routes: '/routes', route: '/routes/product', traces: '/traces', advice: '/advice', slos: '/slos', cost: '/cost', incidents: '/incidents', catalog: '/catalog', runbook: '/catalog/runbooks/checkout-slow', history: '/history', generation: '/history/1', signin: '/signin' };
/// What a page must show: it is looked at with something on it.
const HOLDS = { slos: 'product', incidents: 'Checkout is slow', catalog: 'Checkout is slow or fails', runbook: 'plimsoll diagnose', cost: 'product' };
/// Pages that are behind the first link of a table: its name, and a heading there.
const BEHIND = { traces: ['trace', 'Step by step'], incidents: ['incident', 'Timeline'] };
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

/// Accessible, and not wider than the window.
async function good(page, name, at, look) {
  await accessible(page, `${at}, ${look.name}`);
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
  assert.ok(wide <= look.viewport.width, `${at}, ${look.name} is ${wide} px wide`);
  await shot(page, `${name}-${look.name}`);
}

async function shot(page, name) {
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
}

/// One part of a page. By its place: what is there may be put in anew at any moment.
async function partOf(page, selector, name) {
  const clip = await page.evaluate((selector) => {
    const box = document.querySelector(selector).getBoundingClientRect();
    return { x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height };
  }, selector);
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true, clip });
}

/// What it says before anything is known.
async function learns(browser) {
  const page = await open(browser, LOOKS[0]);
  for (const at of ['/', '/advice', '/routes', '/history', '/incidents', '/catalog', '/slos']) {
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
      if (HOLDS[name]) await page.locator('main', { hasText: HOLDS[name] }).waitFor({ timeout: 5000 });
      await good(page, name, at, look);
      if (BEHIND[name]) {
        const [behind, heading] = BEHIND[name];
        await page.locator('tbody a').first().click();
        await page.getByRole('heading', { name: heading }).waitFor();
        await good(page, behind, `the first of ${at}`, look);
      }
      if (name === 'route') await partOf(page, '[data-part=heat]', `heat-${look.name}`);
    }
    assert.deepStrictEqual(page.wrong, [], look.name);
    await page.context().close();
  }
}

async function lives(page) {
  await page.goto(address);
  const light = page.locator('#live', { hasText: 'live' });
  await light.waitFor();
  const newest = () => page.evaluate(() => document.querySelector('plim-chart').steps.at(-1).at);
  const before = await newest();
  await page.waitForFunction((before) => document.querySelector('plim-chart').steps.at(-1).at > before, before);
  // What has changed is put in place; the light stays, and goes on telling how it is.
  const old = 'of no page';
  await page.evaluate((old) => {
    document.body.dataset.version = old;
    document.querySelector('[data-part=news]').append(old);
  }, old);
  await page.locator('[data-part=news]', { hasText: old }).waitFor({ state: 'detached' });
  assert.ok(await light.isVisible(), 'the light is put out');
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
  assert.ok(await page.locator('.knob input[type=range]').count() > 0, 'sliders are part of the plain form');
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.getByRole('row', { name: /^Load line/ }).waitFor();
}

/// A slider is turned by keys; what it would do is shown without a new page.
async function turns(page) {
  await page.goto(`${address}/advice`);
  const slider = page.locator('.knob input[type=range]').first();
  const says = page.locator('.knob output').first();
  const before = await says.textContent();
  await slider.focus();
  await page.keyboard.press('ArrowRight');
  assert.notStrictEqual(await says.textContent(), before);
  await page.locator('#whatif-answer').getByRole('row', { name: /^Load line/ }).waitFor({ timeout: 60_000 });
  await page.locator('#whatif-state', { hasText: /^Load line .*, then / }).waitFor({ timeout: 60_000 });
  assert.ok(await slider.evaluate((s) => s === document.activeElement), 'whoever turns it keeps it');
  await accessible(page, 'what if, turned');
  await partOf(page, '#whatif', 'whatif-dark');
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
    await turns(page);
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
