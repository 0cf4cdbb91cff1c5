// A provisional password, handed out by support, must be replaced before anything else; on a phone, in English.
import assert from 'node:assert/strict';
import { fillByKeyboard, open, required } from './browser.mjs';

const origin = required('ORIGIN');
const login = required('LOGIN');
const password = required('PASSWORD');
const { browser, page, look } = await open({ locale: 'en-GB', colorScheme: 'dark', own: [origin] });

await page.goto(`${origin}/sign-in`);
await look('sign-in');
await fillByKeyboard(page, { login, password: required('PROVISIONAL') });
await look('forced-change');
await page.goto(`${origin}/account`);
assert.match(page.url(), /\/sign-in/, 'nothing is shown before the password is replaced');
await page.goto(`${origin}/new-password`);
await fillByKeyboard(page, { password, again: password });
await look('account');
await page.goto(`${origin}/account`);
assert.match(page.url(), /\/account$/);
console.log('{}');
await browser.close();
