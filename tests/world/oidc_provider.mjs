// Starts the public npm package oidc-provider as a login bridge for tests. It is copied next to its node_modules first.
// Reads its configuration as JSON from the first argument; prints "ready" when it listens.
import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const { issuer, port, client, acr } = JSON.parse(process.argv[2]);
const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: 'bridge-1', use: 'sig', alg: 'ES256' };

const provider = new Provider(issuer, {
  clients: [client],
  jwks: { keys: [key] },
  claims: { openid: ['sub', 'bsn', 'acr', 'auth_time', 'birthdate'], auth_time: null, acr: null },
  conformIdTokenClaims: false,
  acrValues: [acr],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ['only-for-tests'] },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, bsn: id, birthdate: '1980-05-17' }) }),
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId, accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
});

const callback = provider.callback();
http.createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  if (!url.pathname.startsWith('/interaction/')) return callback(request, response);
  const bsn = url.searchParams.get('bsn');
  const result = bsn
    ? { login: { accountId: bsn, acr, ts: Math.floor(Date.now() / 1000) } }
    : { error: 'access_denied', error_description: 'cancelled' };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}).listen(port, '127.0.0.1', () => console.log('ready'));
