// An OpenID provider for tests, on the certified `oidc-provider`: FranceConnect v2's addresses, claims and rules, or a
// plain desk's. On loopback only. Prints one line when it listens.
//
//   PORT, BASE      where it listens, and the path of its issuer (FranceConnect: /api/v2)
//   CLIENTS         its clients, as JSON in the form of dynamic registration
//   PEOPLE          who can sign in, as JSON: name → claims
//   SIGNED=0        userinfo as plain JSON
//
// POST /test/fault with a name makes the answers that follow wrong in that way; an empty body ends it.
// POST /test/civil-status with a person's name gives them another `sub`, as a corrected civil status does.
import http from 'node:http';
import { randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';
import { SignJWT, decodeJwt, exportJWK, generateKeyPair, importJWK } from 'jose';

const port = Number(process.env.PORT ?? 3001);
const base = process.env.BASE ?? '/api/v2';
const origin = `http://127.0.0.1:${port}`;
const issuer = `${origin}${base}`;
const clients = JSON.parse(process.env.CLIENTS);
const people = JSON.parse(process.env.PEOPLE);
const signed = process.env.SIGNED !== '0';

const key = async (alg, kid) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid };
};
const own = await key('ES256', 'es1');
const next = await key('ES256', 'es2');
const foreign = { ...(await key('ES256', 'es1')), kid: 'es1' };
const published = ({ kty, crv, x, y, alg, use, kid }) => ({ kty, crv, x, y, alg, use, kid });

let fault = '';
const versions = new Map();
const subject = (client, person) =>
  `${Buffer.from(`${client}:${person}`).toString('hex')}v${versions.get(person) ?? 1}`;

const pivot = ['given_name', 'given_name_array', 'family_name', 'birthdate', 'gender', 'birthplace', 'birthcountry'];
const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [own, await key('RS256', 'rs1')] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  acrValues: ['eidas1', 'eidas2', 'eidas3'],
  subjectTypes: ['pairwise', 'public'],
  pairwiseIdentifier: (ctx, person, client) => subject(client.clientId, person),
  claims: {
    acr: null, amr: null, auth_time: null, sid: null, iss: null,
    openid: ['sub'],
    identite_pivot: pivot,
    profile: [...pivot, 'preferred_username'],
    preferred_username: ['preferred_username'],
    email: ['email'],
    ecole: ['ine', 'FrEduVecteur', 'identifiant'],
  },
  conformIdTokenClaims: true,
  pkce: { required: () => false }, // FranceConnect does not demand it
  ttl: { AuthorizationCode: 30, AccessToken: 60, IdToken: 60, Interaction: 600, Session: 3600, Grant: 3600 },
  routes: { authorization: '/authorize', token: '/token', userinfo: '/userinfo', end_session: '/session/end', jwks: '/jwks' },
  features: {
    devInteractions: { enabled: false },
    jwtUserinfo: { enabled: signed },
    rpInitiatedLogout: {
      enabled: true,
      // Nobody is asked, as at FranceConnect.
      logoutSource: (ctx, form) => {
        ctx.body = `<!doctype html><html lang="fr"><title>Déconnexion</title><body>${form}<script>
          const yes = document.createElement('input');
          Object.assign(yes, { type: 'hidden', name: 'logout', value: 'yes' });
          document.forms[0].append(yes);
          document.forms[0].submit();</script></body></html>`;
      },
    },
  },
  interactions: { url: (ctx, interaction) => `/login/${interaction.uid}` },
  findAccount: (ctx, id) => people[id] && { accountId: id, claims: async () => ({ sub: id, ...people[id] }) },
  // Nobody is asked for consent on this side: whatever is asked for is granted.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope(ctx.oidc.params.scope);
    await grant.save();
    return grant;
  },
});
provider.on('server_error', (ctx, error) => console.error(error));

const sign = async (claims, jwk, typ = 'JWT') =>
  new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: jwk.kid, typ }).sign(await importJWK(jwk, 'ES256'));
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const unsigned = (claims) => `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`;
const by = (change) => (claims) => sign({ ...claims, ...change(claims) }, own);
const elsewhere = () => 'https://elsewhere.example.org';
const ago = (seconds) => Math.floor(Date.now() / 1000) - seconds;

// What each fault does to the ID token, and to userinfo.
const idToken = {
  nonce: by(() => ({ nonce: 'x'.repeat(43) })),
  'no-nonce': by(() => ({ nonce: undefined })),
  aud: by(() => ({ aud: 'another-client' })),
  'aud-too-many': by(({ aud }) => ({ aud: [aud, 'another-client'] })),
  azp: by(() => ({ azp: 'another-client' })),
  iss: by(() => ({ iss: elsewhere() })),
  signature: (claims) => sign(claims, foreign),
  'alg-none': async (claims) => unsigned(claims),
  'alg-hs256': async (claims) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: own.kid }).sign(Buffer.from(clients[0].client_secret ?? 'x'.repeat(40))),
  expired: by(() => ({ iat: ago(120), exp: ago(60) })),
  old: by(() => ({ iat: ago(1200) })),
  future: by(() => ({ iat: ago(-600), exp: ago(-1200) })),
  sub: by(() => ({ sub: 'somebody-else' })),
  'no-sub': by(() => ({ sub: undefined })),
  acr: by(() => ({ acr: 'eidas0' })),
  'no-acr': by(() => ({ acr: undefined })),
  at_hash: by(() => ({ at_hash: 'A'.repeat(22) })),
  rotated: (claims) => sign(claims, next),
};
const info = {
  'userinfo-sub': by(() => ({ sub: 'somebody-else' })),
  'userinfo-aud': by(() => ({ aud: 'another-client' })),
  'userinfo-iss': by(() => ({ iss: elsewhere() })),
  'userinfo-signature': (claims) => sign(claims, foreign),
  'userinfo-alg-none': async (claims) => unsigned(claims),
  'userinfo-expired': by(() => ({ exp: ago(60) })),
  'missing-family-name': by(() => ({ family_name: undefined })),
  'missing-given-name': by(() => ({ given_name: undefined, given_name_array: undefined })),
  'missing-birthdate': by(() => ({ birthdate: undefined })),
  rotated: (claims) => sign(claims, next),
};

provider.use(async (ctx, following) => {
  await following();
  if (!fault) return;
  if (ctx.path === '/token' && ctx.body?.id_token) {
    if (fault === 'token-down') [ctx.status, ctx.body] = [503, { error: 'temporarily_unavailable' }];
    else if (fault === 'token-not-json') [ctx.type, ctx.body] = ['text/html', '<p>Bonjour</p>'];
    else if (fault === 'no-id-token') delete ctx.body.id_token;
    else if (idToken[fault]) ctx.body = { ...ctx.body, id_token: await idToken[fault](decodeJwt(ctx.body.id_token)) };
  }
  if (ctx.path === '/userinfo' && ctx.status === 200) {
    if (fault === 'userinfo-down') [ctx.status, ctx.body] = [503, ''];
    else if (fault === 'userinfo-plain') [ctx.type, ctx.body] = ['application/json', JSON.stringify(decodeJwt(ctx.body))];
    else if (info[fault] && signed) ctx.body = await info[fault](decodeJwt(ctx.body));
    if (signed && info[fault]) ctx.type = 'application/jwt';
  }
  if (ctx.path === '/jwks' && fault === 'rotated') ctx.body = { keys: [published(next)] };
});

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (uid, names) => `<!doctype html>
<html lang="fr"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fournisseur d’identité d’essai</title></head>
<body><main><h1>Fournisseur d’identité d’essai</h1>
<form method="post" action="/login/${uid}">
<p><label for="person">Identité</label> <select id="person" name="person">${names.map((name) => `<option>${escaped(name)}</option>`).join('')}</select></p>
<p><button name="go" value="ok">Continuer</button> <button name="go" value="access_denied">Annuler</button></p>
</form></main></body></html>`;

const body = async (request) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
};

const respond = async (request, response) => {
  if (request.method === 'POST' && request.url === '/test/fault') {
    fault = (await body(request)).trim();
    return response.end();
  }
  if (request.method === 'POST' && request.url === '/test/civil-status') {
    const person = (await body(request)).trim();
    versions.set(person, (versions.get(person) ?? 1) + 1);
    return response.end();
  }
  const login = /^\/login\/([\w-]+)$/.exec(request.url);
  if (login && request.method === 'GET') {
    await provider.interactionDetails(request, response);
    response.setHeader('content-type', 'text/html; charset=utf-8');
    return response.end(page(login[1], Object.keys(people)));
  }
  if (login) {
    const form = new URLSearchParams(await body(request));
    const go = form.get('go') ?? 'ok';
    const result = go === 'ok'
      ? { login: { accountId: form.get('person'), acr: 'eidas1', amr: ['fc'], remember: false } }
      : { error: go, error_description: `essai ${go}` };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  if (base && request.url.startsWith(base)) {
    request.originalUrl = request.url;
    request.url = request.url.slice(base.length) || '/';
  }
  // Nobody comes back unasked: FranceConnect forces this too.
  if (request.url.startsWith('/authorize?')) request.url += '&prompt=login';
  return provider.callback()(request, response);
};

const server = http.createServer((request, response) => {
  respond(request, response).catch((error) => {
    console.error(error);
    response.statusCode = 500;
    response.end(String(error));
  });
});
server.listen(port, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
