// Signing in to a relying party and out again, on a desktop. Prints what the relying party shows as JSON.
import assert from 'node:assert/strict';
import { fill, open, required } from './browser.mjs';

const origin = required('ORIGIN');
const relyingParty = required('RELYING_PARTY');
const { browser, page, look } = await open({ width: 1280, height: 900, own: [origin, relyingParty] });

await page.goto(relyingParty);
await look('relying-party');
await Promise.all([page.waitForURL(`${origin}/**`), page.locator('form[action="/login"] button').first().click()]);
await look('sign-in');
await fill(page, { login: required('LOGIN'), password: required('PASSWORD') });
await page.waitForURL(`${relyingParty}/**`);
await look('welcome');
const shown = await page.locator('main').innerText();

await page.locator('form[action="/logout"] button').click();
await page.waitForURL(`${relyingParty}/**`);
await look('signed-out');
await page.goto(`${origin}/account`);
assert.match(page.url(), /sign-in/, 'the session at the provider is over too');
console.log(JSON.stringify({ shown }));
await browser.close();
