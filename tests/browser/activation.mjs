// A guardian's first use, on a phone, in French, with the keyboard alone; then sign-out and sign-in.
// Prints the login as JSON.
import assert from 'node:assert/strict';
import { codeFromInbox, fillByKeyboard, open, required, tabTo } from './browser.mjs';

const origin = required('ORIGIN');
const guardian = JSON.parse(required('GUARDIAN'));
const password = required('PASSWORD');
const { browser, context, page, look } = await open({ own: [origin] });

await page.goto(origin);
await look('home');
await tabTo(page, 'a[href="/activate"]');
await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
await look('identify');

// A stranger's name and the guardian's own lead to the same page.
const identify = async (surname) => {
  await page.goto(`${origin}/activate`);
  await fillByKeyboard(page, { surname, given_name: guardian.given_name, mobile: guardian.mobile });
  return (await page.locator('main').innerText()).replace(/\d/g, '');
};
const toStranger = await identify('Inconnue');
const toGuardian = await identify(guardian.family_name);
assert.equal(toGuardian, toStranger, 'the answer does not tell whether a person exists');
await look('code');

const code = await codeFromInbox(context, origin);
await fillByKeyboard(page, { code: code === '000000' ? '000001' : '000000' });
await look('code-wrong');
await fillByKeyboard(page, { code });
await look('children');

// A wrong birth date, then the right ones.
const birthDate = (child, year) => {
  const [, month, day] = child.birth_date.split('-');
  return { day, month, year: year ?? child.birth_date.slice(0, 4) };
};
for (const child of guardian.children) assert.match(await page.locator('main').innerText(), new RegExp(child.given_name));
let wrong = true;
for (let asked = 0; asked < guardian.children.length; asked += 1) {
  const heading = await page.locator('section:has(form) h2').first().innerText();
  const child = guardian.children.find(({ given_name }) => heading.includes(given_name));
  if (wrong) {
    wrong = false;
    await fillByKeyboard(page, birthDate(child, '1999'));
    await look('child-wrong');
  }
  await fillByKeyboard(page, birthDate(child));
}
await look('password');
const login = await page.locator('.login').innerText();
await fillByKeyboard(page, { password: 'motdepasse', again: 'motdepasse' });
await look('password-refused');
await fillByKeyboard(page, { password, again: password });
await look('account');
const account = await page.locator('main').innerText();
for (const child of guardian.children) assert.match(account, new RegExp(child.given_name));

await tabTo(page, 'form[action="/sign-out"] button');
await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
await look('signed-out');
await page.goto(`${origin}/sign-in`);
await fillByKeyboard(page, { login, password: 'ce n’est pas le bon' });
await look('sign-in-refused');
await fillByKeyboard(page, { login, password });
assert.match(await page.locator('main').innerText(), new RegExp(guardian.children[0].given_name));
await page.goto(`${origin}/nowhere`);
await look('not-found');
assert.match(await page.locator('main').innerText(), /[0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{4}/, 'an error names its incident reference');

console.log(JSON.stringify({ login }));
await browser.close();
