// Signs in with FranceConnect at phone width, with the keyboard alone, twice: in French the guardian's first use, to the end of it;
// in English somebody of another name who comes as far as the proof, then the guardian, straight in. Prints the
// login as JSON.
import assert from 'node:assert/strict';
import { codeFromInbox, fillByKeyboard, open, required, tabTo } from './browser.mjs';

const origin = required('ORIGIN');
const provider = required('PROVIDER');
const guardian = JSON.parse(required('GUARDIAN'));

const away = 'a[href^="/sign-in/with/franceconnect"]';
const follow = async (page, selector) => {
  await tabTo(page, selector);
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
};

/** At the provider: as whom, or back. */
async function there(page, person) {
  assert.ok(page.url().startsWith(provider), `at the provider, not ${page.url()}`);
  if (person) await page.getByLabel('Identité').selectOption(person);
  await page.getByRole('button', { name: person ? 'Continuer' : 'Annuler' }).click();
  await page.waitForURL(`${origin}/**`);
}

/** From `/activate` to the page that ties an identity to the account. */
async function prove(context, page, look, former) {
  await look('recognised');
  const { family_name: surname, given_name, mobile } = guardian;
  await fillByKeyboard(page, { surname, given_name, mobile });
  await look('code');
  const code = await codeFromInbox(context, origin, former);
  await fillByKeyboard(page, { code });
  await look('children');
  for (let asked = 0; asked < guardian.children.length; asked += 1) {
    const heading = await page.locator('section:has(form) h2').first().innerText();
    const child = guardian.children.find((one) => heading.includes(one.given_name));
    const [year, month, day] = child.birth_date.split('-');
    await fillByKeyboard(page, { day, month, year });
  }
  assert.equal(new URL(page.url()).pathname, '/sign-in/link');
  return code;
}

const main = (page) => page.locator('main').innerText();

async function french() {
  const { browser, context, page, look } = await open({ locale: 'fr-FR', own: [origin, provider] });
  await page.goto(`${origin}/sign-in`);
  assert.match(await main(page), /S’identifier avec FranceConnect/);
  await look('fr-sign-in');
  await follow(page, away);
  await there(page);
  assert.match(await main(page), /Vous n’avez pas continué avec FranceConnect/);
  await look('fr-declined');
  await follow(page, away);
  await there(page, 'guardian');
  const code = await prove(context, page, (name) => look(`fr-${name}`));
  await look('fr-link');
  await follow(page, 'form[action="/sign-in/link"] button');
  assert.match(await main(page), new RegExp(guardian.children[0].given_name));
  await look('fr-account');
  const login = await page.locator('main strong').first().innerText();
  await page.goto(`${origin}/account/ways-in`);
  assert.match(await main(page), /Vous n’avez pas de mot de passe/);
  await look('fr-ways-in');
  // Out here, out there, and back.
  await tabTo(page, 'form[action="/sign-out"] button');
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.origin === origin && url.pathname === '/');
  await look('fr-signed-out');
  await page.goto(`${origin}/account`);
  assert.equal(new URL(page.url()).pathname, '/sign-in', 'signed out');
  await browser.close();
  return { code, login };
}

async function english(former) {
  const { browser, context, page, look } = await open({ locale: 'en-GB', own: [origin, provider] });
  await page.goto(`${origin}/sign-in`);
  assert.match(await main(page), /Sign in with FranceConnect/);
  await look('en-sign-in');
  await follow(page, away);
  await there(page, 'stranger');
  await prove(context, page, (name) => look(`en-${name}`), former);
  assert.match(await main(page), /nothing has been linked/);
  await look('en-differs');
  await page.goto(`${origin}/sign-in`);
  await follow(page, away);
  await there(page, 'guardian');
  assert.match(await main(page), new RegExp(guardian.children[0].given_name));
  await page.goto(`${origin}/account/ways-in`);
  assert.match(await main(page), /You have no password/);
  await look('en-ways-in');
  await page.goto(`${origin}/sign-in/with/franceconnect/callback?state=x&code=y`);
  assert.match(await main(page), /no longer valid/);
  await look('en-stale');
  await browser.close();
}

const { code, login } = await french();
await english(code);
console.log(JSON.stringify({ login }));
