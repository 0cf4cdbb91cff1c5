// Signs in through the provider's own forms, as a browser without JavaScript would, and checks with the certified
// client library what comes back. Prints one JSON object with what it saw; exits 1 at the first thing amiss.
//
//   ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, POST_LOGOUT_REDIRECT_URI, LOGIN, PASSWORD, SCOPE
import './compatibility.mjs';
import assert from 'node:assert/strict';
import * as oidc from 'openid-client';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, POST_LOGOUT_REDIRECT_URI, LOGIN, PASSWORD } = process.env;
const SCOPE = process.env.SCOPE ?? 'openid profile affiliation establishment children birthdate';

/** Cookies of one host, and redirects followed by hand. */
class Browser {
  cookies = new Map();

  async open(url, { method = 'GET', body } = {}) {
    const headers = { accept: 'text/html', 'accept-language': 'fr', origin: new URL(url).origin, 'sec-fetch-site': 'same-origin' };
    if (method === 'GET') delete headers.origin;
    if (this.cookies.size) headers.cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { method, body, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value === '' || /max-age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const page = { url: String(url), status: response.status, headers: response.headers, html: await response.text() };
    if (response.status < 300 || response.status > 399) return page;
    assert.notEqual(response.status, 307, `${method} ${url} answers 307`);
    const next = new URL(response.headers.get('location'), url);
    return foreign(next) ? { ...page, landed: next } : this.open(next);
  }

  /** Submits the form that has all these fields, with its hidden ones. */
  async submit(page, fields) {
    for (const [, attributes, content] of page.html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)) {
      const inputs = [...content.matchAll(/<(?:input|button)\b([^>]*)>/gi)].map(([, text]) => attributesOf(text));
      const names = inputs.map(({ name }) => name);
      if (!Object.keys(fields).every((name) => names.includes(name))) continue;
      const hidden = inputs.filter(({ type, name }) => type === 'hidden' && name).map(({ name, value }) => [name, value ?? '']);
      const { action, method } = attributesOf(attributes);
      const target = new URL(action ?? '', page.url);
      assert.equal(method?.toLowerCase(), 'post');
      return this.open(target, { method: 'POST', body: new URLSearchParams([...hidden, ...Object.entries(fields)]) });
    }
    throw new Error(`${page.url} (${page.status}) has no form with ${Object.keys(fields)}`);
  }
}

const foreign = (url) => [REDIRECT_URI, POST_LOGOUT_REDIRECT_URI].some((uri) => String(url).startsWith(uri));
const unescape = (text) => text.replace(/&#(x?)([0-9a-f]+);/gi, (_, hex, n) => String.fromCodePoint(parseInt(n, hex ? 16 : 10)))
  .replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const attributesOf = (text) =>
  Object.fromEntries([...text.matchAll(/([\w-]+)(?:\s*=\s*"([^"]*)")?/g)].map(([, name, value]) => [name, unescape(value ?? '')]));

const config = await oidc.discovery(
  new URL(ISSUER), CLIENT_ID, { client_secret: CLIENT_SECRET, id_token_signed_response_alg: 'ES256' },
  CLIENT_SECRET ? oidc.ClientSecretBasic(CLIENT_SECRET) : oidc.None(), { execute: [oidc.allowInsecureRequests] });
const browser = new Browser();

/** Asks for a code; the browser signs in if it has to. */
async function authorize(extra = {}) {
  const proof = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() };
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI, scope: SCOPE, state: proof.state, nonce: proof.nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(proof.verifier), code_challenge_method: 'S256', ...extra,
  });
  let page = await browser.open(url);
  let asked = false;
  if (!page.landed) {
    asked = true;
    // Who is signed in already proves to be themselves again, without their login.
    const fields = /name="login"/.test(page.html) ? { login: LOGIN, password: PASSWORD } : { password: PASSWORD };
    page = await browser.submit(page, fields);
  }
  assert.ok(page.landed, `no answer reached the redirect URI: ${page.url} says ${page.status}`);
  return { ...proof, callback: page.landed, asked };
}

const redeem = ({ callback, verifier, state, nonce }, checks = {}) =>
  oidc.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, ...checks,
  });
const refused = (promise, error) =>
  assert.rejects(promise, (thrown) => thrown.error === error || assert.fail(`${thrown.error ?? thrown}, not ${error}`));

// Sign-in, ID token (signature, at_hash, nonce, times checked by the library), userinfo.
const first = await authorize();
assert.ok(first.asked, 'the first request asks for the password');
assert.equal(first.callback.searchParams.get('iss'), config.serverMetadata().issuer);
const tokens = await redeem(first);
const idToken = tokens.claims();
const header = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
assert.equal(header(tokens.id_token).alg, 'ES256');
assert.equal(header(tokens.access_token).typ, 'at+jwt');
const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, idToken.sub);

// The session answers the next request without a page, and says when it began.
const again = await authorize({ prompt: 'none' });
assert.ok(!again.asked);
assert.equal((await redeem(again)).claims().auth_time, idToken.auth_time);

// A wrong verifier, then the right one: the code is used up.
const guessed = await authorize();
await refused(redeem(guessed, { pkceCodeVerifier: oidc.randomPKCECodeVerifier() }), 'invalid_grant');
await refused(redeem(guessed), 'invalid_grant');

// A replayed code is refused, and what it led to is revoked.
await refused(redeem(first), 'invalid_grant');
const revoked = await fetch(config.serverMetadata().userinfo_endpoint, { headers: { authorization: `Bearer ${tokens.access_token}` } });
assert.equal(revoked.status, 401);

// prompt=login asks again although the session is good.
const anew = await authorize({ prompt: 'login' });
assert.ok(anew.asked, 'prompt=login asks for the password');
const fresh = await redeem(anew);

// Logout with the ID token as hint: back at the relying party without a question, and signed out.
const out = await browser.open(oidc.buildEndSessionUrl(config, {
  id_token_hint: fresh.id_token, post_logout_redirect_uri: POST_LOGOUT_REDIRECT_URI, state: 'bye',
}));
assert.equal(String(out.landed), `${POST_LOGOUT_REDIRECT_URI}?state=bye`);
const gone = await fetch(config.serverMetadata().userinfo_endpoint, { headers: { authorization: `Bearer ${fresh.access_token}` } });
assert.equal(gone.status, 401, 'an access token does not outlive its session');
const nobody = await browser.open(oidc.buildAuthorizationUrl(config, {
  redirect_uri: REDIRECT_URI, scope: SCOPE, prompt: 'none', state: 's', nonce: 'n',
  code_challenge: await oidc.calculatePKCECodeChallenge(oidc.randomPKCECodeVerifier()), code_challenge_method: 'S256',
}));
assert.equal(nobody.landed?.searchParams.get('error'), 'login_required');

console.log(JSON.stringify({ id_token: idToken, userinfo }));
