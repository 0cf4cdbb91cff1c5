// A demonstration relying party: signs people in with Matricule and shows what it is told about them.
//
//   ISSUER         the provider, e.g. http://localhost:8080
//   CLIENT_ID      as `matricule relying-party register` printed it
//   CLIENT_SECRET  likewise; leave it out for a public client
//   PORT           where to listen on 127.0.0.1, by default 8090
//   SCOPE          what to ask for, by default everything
//   NAME           the service's name on its own pages
import './compatibility.mjs';
import * as oidc from 'openid-client';
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { page, home, welcome, failure, signedOut } from './pages.mjs';

const issuer = required('ISSUER');
const clientId = required('CLIENT_ID');
const clientSecret = process.env.CLIENT_SECRET;
const port = Number(process.env.PORT ?? 8090);
const origin = `http://127.0.0.1:${port}`; // not `localhost`: cookies ignore ports, and the provider may be there
const scope = process.env.SCOPE ?? 'openid profile affiliation establishment children birthdate';
const name = process.env.NAME ?? 'Cahier de textes';
const secure = new URL(issuer).protocol === 'https:';

function required(key) {
  const value = process.env[key];
  if (!value) {
    console.error(`${key} is not set; see the top of server.mjs`);
    process.exit(2);
  }
  return value;
}

// Sessions of this demonstration live as long as the program; each holds a sign-in in progress or its result.
const sessions = new Map();
const MOST_SESSIONS = 1000;

function sessionOf(request) {
  const id = /(?:^|;\s*)demo_session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1];
  return { id, session: sessions.get(id) };
}

/** Every step that proves something gets a new session id. */
function newSession(response, content, formerId) {
  sessions.delete(formerId);
  if (sessions.size >= MOST_SESSIONS) sessions.delete(sessions.keys().next().value);
  const id = randomBytes(24).toString('base64url');
  sessions.set(id, content);
  response.setHeader('set-cookie', `demo_session=${id}; Path=/; HttpOnly; SameSite=Lax`);
}

// Discovered at the first sign-in, so that this program and the provider may start in any order.
let discovered;
async function provider() {
  discovered ??= oidc
    .discovery(
      new URL(issuer),
      clientId,
      // The library trusts RS256 unless told; the provider signs with ES256.
      { client_secret: clientSecret, id_token_signed_response_alg: 'ES256' },
      clientSecret ? oidc.ClientSecretBasic(clientSecret) : oidc.None(),
      { execute: secure ? [] : [oidc.allowInsecureRequests] }, // plain http on the loopback only
    )
    .catch((error) => {
      discovered = undefined;
      throw error;
    });
  return discovered;
}

const routes = {
  'GET /': ({ request, response, language }) => {
    const { session } = sessionOf(request);
    send(response, 200, language, session?.claims ? welcome(session) : home());
  },

  'POST /login': async ({ request, response }) => {
    const config = await provider();
    const pending = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce() };
    newSession(response, { pending }, sessionOf(request).id);
    redirect(response, oidc.buildAuthorizationUrl(config, {
      redirect_uri: `${origin}/callback`,
      scope,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
    }));
  },

  'GET /callback': async ({ request, response, url, language }) => {
    const { id, session } = sessionOf(request);
    if (!session?.pending) return redirect(response, '/');
    const { verifier, state, nonce } = session.pending;
    sessions.delete(id);
    const config = await provider();
    try {
      const tokens = await oidc.authorizationCodeGrant(config, url, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      });
      const idToken = tokens.claims();
      const claims = await oidc.fetchUserInfo(config, tokens.access_token, idToken.sub);
      newSession(response, { claims, idToken, hint: tokens.id_token });
      redirect(response, '/');
    } catch (error) {
      console.error(`sign-in failed: ${error.error ?? error.code ?? error.name}`);
      send(response, 403, language, failure(error.error ?? error.code ?? 'error'));
    }
  },

  'POST /logout': async ({ request, response }) => {
    const { id, session } = sessionOf(request);
    sessions.delete(id);
    response.setHeader('set-cookie', 'demo_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0');
    if (!session?.hint) return redirect(response, '/');
    redirect(response, oidc.buildEndSessionUrl(await provider(), {
      id_token_hint: session.hint,
      post_logout_redirect_uri: `${origin}/signed-out`,
    }));
  },

  'GET /signed-out': ({ response, language }) => send(response, 200, language, signedOut()),

  'GET /healthz': ({ response }) => response.writeHead(200, { 'content-type': 'text/plain' }).end('ok\n'),
};

function redirect(response, to) {
  response.writeHead(303, { location: String(to), 'cache-control': 'no-store' }).end();
}

function send(response, status, language, content) {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  });
  response.end(page({ name, language, ...content(language) }));
}

/** Forms of these pages only: a foreign page can't sign anybody in or out here. */
function sameOrigin(request) {
  const from = request.headers.origin;
  return request.method === 'GET' || from === undefined || from === origin;
}

createServer(async (request, response) => {
  const url = new URL(request.url, origin);
  const language = (request.headers['accept-language'] ?? 'fr').trim().toLowerCase().startsWith('en') ? 'en' : 'fr';
  const route = routes[`${request.method} ${url.pathname}`];
  request.resume();
  try {
    if (!sameOrigin(request)) return send(response, 403, language, failure('foreign_form'));
    if (!route) return send(response, 404, language, failure('not_found'));
    await route({ request, response, url, language });
  } catch (error) {
    console.error(`${request.method} ${url.pathname}: ${error.code ?? error.name}: ${error.cause?.code ?? error.message}`);
    if (!response.headersSent) send(response, 502, language, failure('provider_unreachable'));
    else response.end();
  }
}).listen(port, '127.0.0.1', () => console.log(`${name}: ${origin}`));

// Whoever starts this program may hold its standard input open and so have it end with them.
if (process.env.STOP_WITH_STDIN) process.stdin.on('end', () => process.exit(0)).resume();
