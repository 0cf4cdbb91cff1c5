// A relying party without pages, on the certified client library `openid-client`: what a test asks it, it answers in
// JSON. `tests/integration/relying_parties` says what each address is for; `../authlib/service.py` has the same.
//
//   ISSUER, CLIENT_ID, PORT
//   CLIENT_SECRET  for HTTP Basic; without it the service authenticates by `private_key_jwt`, with the key at /jwks
//   FAPI           if set, requests are pushed and tokens bound to a key
import '../compatibility.mjs';
import * as oidc from 'openid-client';
import { createRemoteJWKSet, decodeProtectedHeader, exportJWK, jwtVerify } from 'jose';
import { createServer } from 'node:http';
import { randomBytes, webcrypto } from 'node:crypto';

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT, FAPI } = process.env;
const origin = `http://127.0.0.1:${PORT}`;
const SCOPE = 'openid profile affiliation establishment children birthdate';

const key = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const published = { ...(await exportJWK(key.publicKey)), kid: 'own', use: 'sig', alg: 'ES256' };
const boundTo = FAPI ? await oidc.randomDPoPKeyPair('ES256') : undefined;

let found;
async function provider() {
  found ??= await oidc.discovery(
    new URL(ISSUER), CLIENT_ID, { client_secret: CLIENT_SECRET, id_token_signed_response_alg: 'ES256' },
    CLIENT_SECRET ? oidc.ClientSecretBasic(CLIENT_SECRET) : oidc.PrivateKeyJwt({ key: key.privateKey, kid: 'own' }),
    { execute: [oidc.allowInsecureRequests] }); // the loopback only
  return found;
}
const bound = (config) => (FAPI ? { DPoP: oidc.getDPoPHandle(config, boundTo) } : undefined);

/** By the value of this service's cookie: a sign-in in progress, or tokens. */
const sessions = new Map();

function told(tokens, claims) {
  return {
    id_token: tokens.id_token, header: tokens.id_token && decodeProtectedHeader(tokens.id_token), claims: tokens.claims(),
    access_token: tokens.access_token, refresh_token: tokens.refresh_token, token_type: tokens.token_type, userinfo: claims,
  };
}

const routes = {
  'GET /jwks': () => ({ json: { keys: [published] } }),

  'GET /login': async ({ url }) => {
    const config = await provider();
    const pending = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() };
    const parameters = {
      redirect_uri: `${origin}/callback`, scope: SCOPE, state: pending.state, nonce: pending.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier), code_challenge_method: 'S256',
      ...Object.fromEntries(url.searchParams),
    };
    const to = FAPI
      ? await oidc.buildAuthorizationUrlWithPAR(config, parameters, bound(config))
      : oidc.buildAuthorizationUrl(config, parameters);
    return { to, session: { pending } };
  },

  'GET /callback': async ({ url, session }) => {
    const config = await provider();
    const { verifier, state, nonce } = session.pending;
    const tokens = await oidc.authorizationCodeGrant(config, url,
      { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true }, undefined, bound(config));
    const { sub, sid } = tokens.claims();
    const json = told(tokens, await oidc.fetchUserInfo(config, tokens.access_token, sub, bound(config)));
    return { json, session: { tokens, sub, sid } };
  },

  'GET /me': async ({ session }) => {
    if (!session?.tokens) return { status: 401, json: { session: 'none' } };
    const config = await provider();
    return { json: await oidc.fetchUserInfo(config, session.tokens.access_token, session.sub, bound(config)) };
  },

  'GET /refresh': async ({ session }) => {
    const config = await provider();
    const tokens = await oidc.refreshTokenGrant(config, session.tokens.refresh_token, undefined, bound(config));
    const json = told(tokens, await oidc.fetchUserInfo(config, tokens.access_token, session.sub, bound(config)));
    return { json, session: { ...session, tokens } };
  },

  // Whether an ID token of before verifies with the keys that are published now.
  'GET /verify': async ({ url }) => {
    const config = await provider();
    const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
    const checks = { issuer: ISSUER, audience: CLIENT_ID, clockTolerance: 30 };
    const { protectedHeader } = await jwtVerify(url.searchParams.get('token'), keys, checks);
    return { json: { kid: protectedHeader.kid } };
  },

  'GET /logout': async ({ session }) => {
    const to = oidc.buildEndSessionUrl(await provider(),
      { id_token_hint: session.tokens.id_token, post_logout_redirect_uri: `${origin}/signed-out`, state: 'bye' });
    return { to, session: {} };
  },

  'GET /signed-out': ({ url }) => ({ json: { signed_out: true, state: url.searchParams.get('state') } }),

  // OpenID Connect Back-Channel Logout 1.0, §2.6.
  'POST /backchannel': async ({ body }) => {
    const config = await provider();
    const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
    const { payload } = await jwtVerify(new URLSearchParams(body).get('logout_token'), keys,
      { issuer: ISSUER, audience: CLIENT_ID, typ: 'logout+jwt', clockTolerance: 30, requiredClaims: ['iat', 'exp', 'jti', 'events'] });
    if (!payload.events['http://schemas.openid.net/event/backchannel-logout'] || 'nonce' in payload || !payload.sid) {
      return { status: 400, json: { error: 'invalid_request' } };
    }
    for (const [id, { sid }] of sessions) if (sid === payload.sid) sessions.delete(id);
    return { json: {} };
  },

  'GET /healthz': () => ({ json: {} }),
};

createServer(async (request, response) => {
  const url = new URL(request.url, origin);
  let body = '';
  for await (const chunk of request) body += chunk;
  const id = /(?:^|;\s*)service=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
  const send = (status, headers, text) => response.writeHead(status, { 'cache-control': 'no-store', ...headers }).end(text);
  try {
    const route = routes[`${request.method} ${url.pathname}`];
    if (!route) return send(404, {}, '');
    const { to, json, status = 200, session } = await route({ url, body, session: sessions.get(id) });
    const headers = {};
    if (session) {
      sessions.delete(id);
      const next = randomBytes(24).toString('base64url');
      sessions.set(next, session);
      headers['set-cookie'] = `service=${next}; Path=/; HttpOnly; SameSite=Lax`;
    }
    if (to) return send(303, { ...headers, location: String(to) });
    return send(status, { ...headers, 'content-type': 'application/json' }, JSON.stringify(json));
  } catch (error) {
    const json = { error: error.error ?? error.code ?? error.name, message: error.message, cause: error.cause?.message };
    return send(500, { 'content-type': 'application/json' }, JSON.stringify(json));
  }
}).listen(Number(PORT), '127.0.0.1');
