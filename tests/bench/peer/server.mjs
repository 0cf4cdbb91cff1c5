// The peer of `bench tokens`: oidc-provider with its in-memory store, ES256, JWT-free access tokens as it prefers them.
// Signs everybody in without asking. Says where it is in one JSON line once it serves; ends with its standard input.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const client = {
  client_id: 'bench',
  client_secret: 'a-secret-of-the-benchmark-alone-0123456789',
  redirect_uris: ['https://client.example.org/cb'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_basic',
  id_token_signed_response_alg: 'ES256',
};
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  const resource = {
    audience: 'urn:bench',
    scope: 'api',
    accessTokenTTL: 600,
    // What is measured on both sides is a signed token (RFC 9068).
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'ES256' } },
  };
  const provider = new Provider(origin, {
    clients: [client],
    jwks: { keys: [{ ...key, kid: 'bench', use: 'sig', alg: 'ES256' }] },
    cookies: { keys: ['bench'] },
    scopes: ['openid', 'profile', 'offline_access'],
    claims: { openid: ['sub'], profile: ['given_name', 'family_name', 'name'] },
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: async (ctx) => (ctx.oidc.params?.grant_type === 'client_credentials' ? 'urn:bench' : undefined),
        getResourceServerInfo: async () => resource,
      },
    },
    interactions: { url: (_ctx, interaction) => `/enter/${interaction.uid}` },
    findAccount: async (_ctx, id) => ({
      accountId: id,
      claims: async () => ({ sub: id, given_name: 'Zoé', family_name: 'Lefictif', name: 'Zoé Lefictif' }),
    }),
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope('openid profile offline_access');
      await grant.save();
      return grant;
    },
  });
  const callback = provider.callback();
  server.on('request', (request, response) => {
    if (request.url.startsWith('/enter/')) {
      const done = { login: { accountId: 'person' } };
      provider.interactionFinished(request, response, done, { mergeWithLastSubmission: false }).catch((error) => {
        response.statusCode = 500;
        response.end(String(error));
      });
    } else {
      callback(request, response);
    }
  });
  console.log(
    JSON.stringify({
      origin,
      authorize: '/auth',
      token: '/token',
      introspect: '/token/introspection',
      userinfo: '/me',
      discovery: '/.well-known/openid-configuration',
      client_id: client.client_id,
      client_secret: client.client_secret,
      redirect_uri: client.redirect_uris[0],
      cookie: '',
    }),
  );
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
