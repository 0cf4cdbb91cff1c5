// A forgotten password, on a desktop, in English, in the dark, with JavaScript off.
import assert from 'node:assert/strict';
import { codeFromInbox, fill, open, required } from './browser.mjs';

const origin = required('ORIGIN');
const guardian = JSON.parse(required('GUARDIAN'));
const password = required('PASSWORD');
const { browser, context, page } = await open({
  width: 1280, height: 900, locale: 'en-GB', colorScheme: 'dark', javaScriptEnabled: false, own: [origin],
});

await page.goto(`${origin}/sign-in`);
await page.locator('a[href="/reset"]').click();
await page.waitForURL('**/reset');
const former = await codeFromInbox(context, origin);
await fill(page, { login: required('LOGIN'), login_mobile: guardian.mobile });
await fill(page, { code: await codeFromInbox(context, origin, former) });
await fill(page, { password, again: password });
await page.goto(`${origin}/account`);
assert.match(await page.locator('main').innerText(), new RegExp(guardian.children[0].given_name));
console.log('{}');
await browser.close();
