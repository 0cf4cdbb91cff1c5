// What a guardian does signed in, on a phone, by keyboard, in either language: takes back that a child is not theirs,
// reads a form shown again in the other language, and changes the password.
import assert from 'node:assert/strict';
import { codeFromInbox, fill, fillByKeyboard, open, required, tabTo } from './browser.mjs';

const origin = required('ORIGIN');
const guardian = JSON.parse(required('GUARDIAN'));
const password = required('PASSWORD');
const next = required('NEXT_PASSWORD');
const language = required('LANGUAGE');
const other = { fr: 'en', en: 'fr' }[language];
const locale = { fr: 'fr-FR', en: 'en-GB' }[language];
const { browser, context, page, look } = await open({ locale, own: [origin] });

const press = async (selector) => {
  await tabTo(page, selector);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
};
const main = () => page.locator('main').innerText();
const birthDate = ({ birth_date }, year) => {
  const [own, month, day] = birth_date.split('-');
  return { day, month, year: year ?? own };
};

// First use: one child is confirmed, the other reported by mistake.
await page.goto(`${origin}/activate`);
await fill(page, { surname: guardian.family_name, given_name: guardian.given_name, mobile: guardian.mobile });
await fill(page, { code: await codeFromInbox(context, origin) });
const [first] = await page.locator('section:has(form) h2').allInnerTexts();
const mistaken = guardian.children.find(({ given_name }) => first.includes(given_name));
const confirmed = guardian.children.find((child) => child !== mistaken);
await page.locator('section', { hasText: mistaken.given_name }).locator('form[action$="/report"] button').click();
await page.locator('section', { hasText: mistaken.given_name }).locator('form[action$="/report"]').waitFor({ state: 'detached' });
const kept = page.locator('section', { hasText: confirmed.given_name });
for (const [name, value] of Object.entries(birthDate(confirmed))) await kept.locator(`[name="${name}"]`).fill(value);
await kept.locator('form[action$="/confirm"] button').click();
await page.waitForURL('**/new-password');
await fill(page, { password, again: password });
const login = await page.locator('main strong').first().innerText();

await look('account-with-a-report');
await press('a[href="/account/children"]');
await look('children');
await fillByKeyboard(page, birthDate(mistaken, '1999'));
await look('child-wrong');
assert.match(page.url(), /\/account\/children\/confirm$/, 'the answer to a form has the form’s address');
await press(`a[hreflang="${other}"]`);
await look('child-in-the-other-language', other);
assert.match(page.url(), /\/account\/children$/);
await press(`a[hreflang="${language}"]`);
await fillByKeyboard(page, birthDate(mistaken));
await look('account-with-both');
for (const child of guardian.children) assert.match(await main(), new RegExp(child.given_name));

await press('a[href="/account/ways-in"]');
await look('ways-in');
await press('a[href="/account/password"]');
await look('password');
await fillByKeyboard(page, { current: 'ce n’est pas le bon', password: next, again: next });
await look('password-current-wrong');
await fillByKeyboard(page, { current: password, password: 'motdepasse', again: 'motdepasse' });
await look('password-weak');
await fillByKeyboard(page, { current: password, password: next, again: next });
await look('password-changed');
assert.equal(await page.locator('.notice.success').count(), 1, 'the change is confirmed');

await press('form[action="/sign-out"] button');
await page.goto(`${origin}/sign-in`);
await fillByKeyboard(page, { login, password });
assert.match(page.url(), /\/sign-in/, 'the former password is refused');
await fillByKeyboard(page, { login, password: next });
await page.goto(`${origin}/account`);
assert.match(page.url(), /\/account$/);
console.log('{}');
await browser.close();
