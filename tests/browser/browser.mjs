// A real Chromium, and what every page that a journey opens must satisfy.
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const HEAVIEST_PAGE = 50_000; // bytes, style sheet included

export const required = (key) => process.env[key] ?? assert.fail(`${key} is not set`);

const shots = process.env.SCREENSHOTS;
if (shots) await mkdir(shots, { recursive: true });

/** Opens a browser; `own` are the origins a page may fetch from. */
export async function open({ width = 360, height = 740, locale = 'fr-FR', javaScriptEnabled = true, colorScheme = 'light', own }) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const context = await browser.newContext({ viewport: { width, height }, locale, javaScriptEnabled, colorScheme });
  const page = await context.newPage();
  const strangers = [];
  let weight = 0;
  page.on('request', (request) => {
    if (!own.some((origin) => request.url().startsWith(`${origin}/`))) strangers.push(request.url());
    if (request.isNavigationRequest()) weight = 0;
  });
  page.on('response', async (response) => {
    weight += (await response.body().catch(() => Buffer.alloc(0))).length;
  });
  page.on('console', (message) => {
    // Chromium logs every answer above 399, which a journey may well provoke.
    if (message.type() === 'error' && !message.text().includes('Failed to load resource')) {
      strangers.push(`console: ${message.text()}`);
    }
  });

  let number = 0;
  /** Judges the page as it stands: accessible, inside the window, light, from nowhere else, in the browser's language
   * unless another was chosen. */
  async function look(name, spoken = locale.slice(0, 2)) {
    number += 1;
    if (shots) {
      const file = `${process.env.JOURNEY}-${String(number).padStart(2, '0')}-${name}.png`;
      await page.screenshot({ path: join(shots, file), fullPage: true });
    }
    assert.deepEqual(strangers, [], `${name}: the page asks elsewhere or complains`);
    assert.ok(weight <= HEAVIEST_PAGE, `${name} weighs ${weight} bytes`);
    const { wide, language, title } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      language: document.documentElement.lang,
      title: document.title,
    }));
    assert.ok(wide <= 0, `${name} is ${wide} px wider than the window`);
    assert.equal(language, spoken, `${name} declares its language`);
    assert.ok(title.length > 0, `${name} has a title`);
    const { violations } = await new AxeBuilder({ page }).withTags(WCAG).analyze();
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], `axe finds fault with ${name}`);
  }

  return { browser, context, page, look };
}

/** Moves on as a keyboard user does: Tab until the wanted control has the focus, which must be visible. */
export async function tabTo(page, selector) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    const there = await page.evaluate((wanted) => {
      const focused = document.activeElement;
      if (!focused?.matches(wanted)) return null;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(focused);
      return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
    }, selector);
    if (there === null) continue;
    assert.ok(there, `${selector} shows that it has the focus`);
    return;
  }
  assert.fail(`no Tab leads to ${selector} on ${page.url()}`);
}

/** Types into fields by name and sends the form, by keyboard alone. */
export async function fillByKeyboard(page, fields) {
  for (const [name, value] of Object.entries(fields)) {
    await tabTo(page, `[name="${name}"]`);
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(value);
  }
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
}

/** Types into fields by name and presses the form's own button. */
export async function fill(page, fields) {
  for (const [name, value] of Object.entries(fields)) await page.locator(`[name="${name}"]:visible`).first().fill(value);
  const form = page.locator('form', { has: page.locator(`[name="${Object.keys(fields)[0]}"]`) }).first();
  await Promise.all([page.waitForNavigation(), form.locator('button[type=submit]').first().click()]);
}

/** The newest code in the demonstration's inbox, waited for without a clock of our own. */
export async function codeFromInbox(context, origin, former) {
  const inbox = await context.newPage();
  for (let looks = 0; looks < 200; looks += 1) {
    await inbox.goto(`${origin}/demo/inbox`);
    const text = await inbox.locator('main').innerText();
    const code = /(?<!\d)\d{6}(?!\d)/.exec(text)?.[0];
    if (code && code !== former) {
      await inbox.close();
      return code;
    }
  }
  return assert.fail('no code reached the inbox');
}
