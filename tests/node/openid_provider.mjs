// A real OpenID provider for the tests and for trying things out: in memory, two people.
//
//   node openid_provider.mjs FILE
//
// FILE holds JSON: { port, clients, resources }. `port` 0 takes a free one. The clients are in
// the terms of OpenID Connect Dynamic Client Registration 1.0; `resources` maps the address of
// a resource server to { scope, format }, format being "jwt" (RFC 9068) or "opaque".
// When it is ready it says so on a line of its own: "ready ISSUER".
//
// POST /control/rotate-keys      sign with a new key and keep publishing the old ones
// POST /control/replace-keys     sign with new keys under the old names, and forget the old ones
// POST /control/forget-sessions  as if everybody's session here had expired
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';
import { account, signIn } from './openid_accounts.mjs';
import { consentPage, errorPage, logoutPage, partedPage, signInPage } from './openid_pages.mjs';
import { forgetAll, MemoryStore } from './openid_store.mjs';

const HOUR = 3600;
const given = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const cookieKeys = [randomBytes(32).toString('hex')];
let keys = [await newKey()];
let provider;
let answer;

async function newKey(kid = randomUUID()) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
}

function resourceServer(_, address) {
  const resource = given.resources?.[address];
  if (!resource) throw new errors.InvalidTarget();
  return {
    scope: resource.scope,
    audience: address,
    accessTokenFormat: resource.format,
    accessTokenTTL: HOUR,
    jwt: { sign: { alg: 'RS256' } },
  };
}

// A provider never changes its keys, so there is a new one for new keys, on the same store.
function build() {
  provider = new Provider(issuer, {
    adapter: MemoryStore,
    clients: given.clients ?? [],
    clientDefaults: { id_token_signed_response_alg: 'RS256' },
    jwks: { keys },
    cookies: { keys: cookieKeys },
    findAccount: (_, id) => account(id),
    claims: {
      openid: ['sub'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
      email: ['email', 'email_verified'],
      acr: null,
      auth_time: null,
      sid: null,
    },
    pkce: { required: () => true },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    renderError: (ctx, out) => void (ctx.body = errorPage(out)),
    ttl: {
      AccessToken: HOUR,
      AuthorizationCode: 60,
      Grant: 24 * HOUR,
      IdToken: 300,
      Interaction: HOUR,
      Session: 24 * HOUR,
    },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => void (ctx.body = logoutPage(form)),
        postLogoutSuccessSource: (ctx) => void (ctx.body = partedPage()),
      },
    },
  });
  answer = provider.callback();
}

const controls = {
  'rotate-keys': async () => {
    keys = [await newKey(), ...keys];
    build();
  },
  'replace-keys': async () => {
    keys = await Promise.all(keys.map(({ kid }) => newKey(kid)));
    build();
  },
  'forget-sessions': async () => forgetAll('Session'),
};

async function form(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return Object.fromEntries(new URLSearchParams(body));
}

async function allow({ grantId, params, prompt, session }) {
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  return { consent: { grantId: await grant.save() } };
}

async function interact(request, response) {
  const details = await provider.interactionDetails(request, response);
  const page = details.prompt.name === 'login' ? signInPage : consentPage;
  if (request.method !== 'POST') return show(response, page(details));
  const { choice, name, password } = await form(request);
  const finish = (result, more) =>
    provider.interactionFinished(request, response, result, { mergeWithLastSubmission: more });
  if (choice === 'refuse') {
    return finish({ error: 'access_denied', error_description: 'the person refused' }, false);
  }
  if (details.prompt.name === 'consent') return finish(await allow(details), true);
  const accountId = signIn(name, password);
  if (!accountId) return show(response, page(details, 'That is not right. Try again.'));
  return finish({ login: { accountId, amr: ['pwd'] } }, false);
}

function show(response, html) {
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(html);
}

async function route(request, response) {
  const { pathname } = new URL(request.url, issuer);
  const control = controls[pathname.match(/^\/control\/([a-z-]+)$/)?.[1]];
  if (control && request.method === 'POST') {
    await control();
    response.writeHead(204).end();
  } else if (pathname.startsWith('/interaction/')) {
    await interact(request, response);
  } else {
    await answer(request, response);
  }
}

const server = createServer((request, response) => {
  route(request, response).catch((error) => {
    response.writeHead(400, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end(errorPage({ error: error.name, error_description: error.message }));
  });
});
server.listen(given.port ?? 0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
build();
console.log(`ready ${issuer}`);
