/**
 * Usher's browser client: asks Usher for a token, and activates iAdvize's chat with it.
 *
 * The token comes first. Without one iAdvize is never activated, or anonymously where the
 * operator's policy says so. After a failed activation there is no second try and no fall-back
 * to anonymous. When a refresh is refused, the visit ends.
 *
 *   <script type="module" src="/usher/static/usher.js" data-activate></script>
 *
 * or `import { activate, signOut } from '/usher/static/usher.js'`. Every outcome is also the
 * `detail` of an event `usher:outcome` on `document`.
 *
 * @typedef {object} Outcome
 * @property {boolean} activated Whether the chat is active for this visitor.
 * @property {'secured'|'anonymous'|null} mode
 * @property {string} [code] Why there is no secured chat: a problem code of Usher, or
 *   `network-error`, `timeout`, `bad-response`, `signed-out`, `activation-failed`.
 * @property {string} [reason] The same in words; with `activation-failed`, iAdvize's own.
 * @property {string} [supportId] By which the operator finds the decision.
 * @property {string} [signInUrl] Where signing in would help.
 */

const BASE = new URL('../', import.meta.url);
const TIMEOUT_MS = 10_000;
const FRESH_AT_LEAST_MS = 5_000;
const TOKEN = /^[\w-]+(\.[\w-]+){4}$/;
const TOKEN_IN_TEXT = /[\w-]{16,}(\.[\w-]*){2,}/g;
const CODE = /^[a-z][a-z0-9-]{0,63}$/;

/** The activation that is under way. @type {Promise<Outcome> | null} */
let ongoing = null;
/** Aborted when the visitor signs out: what began before may not activate after. */
let visit = new AbortController();
/** The sign-out that is under way: an activation after it must not outrun it. */
let leaving = Promise.resolve();

/** Why there is no token; the fields are those of an `Outcome`. */
class NoToken extends Error {
  constructor(code, reason, fields = {}) {
    super(reason);
    Object.assign(this, { code, fields });
  }
}

/**
 * Activate the chat for whoever is signed in. A second call during the first gets the same
 * promise. It never rejects; it stays pending until iAdvize's tag has loaded.
 *
 * @param {object} [options]
 * @param {string|URL} [options.base] Address of Usher with a slash at its end; by default the
 *   one that this module came from.
 * @param {number} [options.timeout] Milliseconds to wait for an answer of Usher; default 10 s.
 * @returns {Promise<Outcome>}
 */
export function activate(options = {}) {
  if (ongoing) return ongoing;
  const mine = begin(options, visit.signal).then((outcome) => {
    if (ongoing === mine) ongoing = null;
    return publish(outcome);
  });
  ongoing = mine;
  return mine;
}

/**
 * Sign out of Usher and end the visit at iAdvize; each is attempted even if the other fails.
 *
 * @param {object} [options] As for `activate`.
 * @returns {Promise<string|undefined>} The address of the identity provider's own sign-out, if
 *   it has one: without going there, the visitor stays signed in at the provider. Rejects with
 *   an `AggregateError` when one of the two failed.
 */
export async function signOut(options = {}) {
  visit.abort();
  visit = new AbortController();
  ongoing = null;
  leaving = Promise.allSettled([
    post('sign-out', options, new AbortController().signal).then(({ response, body }) => {
      if (!response.ok) throw new Error(`Usher answered ${response.status} to the sign-out`);
      return webAddress(body?.sign_out_url);
    }),
    endVisit(),
  ]);
  const results = await leaving;
  const failed = results.filter(({ status }) => status === 'rejected');
  const errors = failed.map(({ reason }) => reason);
  if (errors.length) throw new AggregateError(errors, 'Usher: signing out failed in part');
  return results[0].value;
}

async function begin(options, signal) {
  await leaving;
  let first;
  try {
    first = await requestToken(options, signal);
  } catch (refusal) {
    if (refusal.fields?.activation !== 'anonymous') return notActivated(refusal);
    const anonymous = { authenticationOption: { type: 'ANONYMOUS_AUTHENTICATION' } };
    return callTag(async () => anonymous, 'anonymous', signal, notActivated(refusal));
  }
  let refused = null;
  let settled = false;
  const option = tokenFunction(first, options, signal, (refusal) => {
    refused = notActivated(refusal);
    if (settled) publish(refused);
  });
  const outcome = await callTag(option, 'secured', signal);
  settled = true;
  return refused ?? outcome;
}

/** What the tag calls for a token: at the start, when it tries again, and at each refresh. */
function tokenFunction(first, options, signal, onRefusal) {
  let ended = false;
  return async () => {
    if (ended || signal.aborted) throw new Error('Usher: this visit has ended');
    const given = first;
    first = null;
    try {
      const isFresh = given && performance.now() < given.freshUntil;
      const { token } = isFresh ? given : await requestToken(options, signal);
      return { authenticationOption: { type: 'SECURED_AUTHENTICATION', token } };
    } catch (refusal) {
      ended = true;
      if (!signal.aborted) {
        onRefusal(refusal);
        endVisit().catch(() => {});
      }
      throw new Error(`Usher: ${refusal.message}`);
    }
  };
}

/** Call the tag's `activate` once the tag has loaded; the result is told without its token. */
function callTag(option, mode, signal, fields = {}) {
  return new Promise((resolve) => {
    queue().push(async (iAdvize) => {
      if (signal.aborted) return resolve(notActivated(signedOut()));
      let reason;
      try {
        const { authentication } = (await iAdvize.activate(option)) ?? {};
        reason = authentication?.reason;
        if (authentication?.status === 'authentication-success' && !signal.aborted) {
          return resolve({ ...fields, activated: true, mode });
        }
      } catch (error) {
        reason = error?.message;
      }
      if (signal.aborted) {
        // The visitor signed out while the tag was at work, which may have come too early for it.
        endVisit().catch(() => {});
        return resolve(notActivated(signedOut()));
      }
      reason = String(reason ?? 'iAdvize gave no reason').replace(TOKEN_IN_TEXT, '[token]');
      resolve({ activated: false, mode: null, code: 'activation-failed', reason: text(reason) });
    });
  });
}

async function requestToken(options, signal) {
  const sentAt = performance.now();
  const { response, body } = await post('token', options, signal);
  const type = response.headers.get('Content-Type') ?? '';
  const { token, expires_in: seconds, code } = body ?? {};
  if (!response.ok && type.startsWith('application/problem+json') && CODE.test(text(code) ?? '')) {
    throw new NoToken(code, text(body.title) ?? code, {
      activation: body.activation,
      supportId: text(body.support_id),
      signInUrl: webAddress(body.sign_in_url),
    });
  }
  if (!response.ok) throw new NoToken('bad-response', `Usher answered ${response.status}`);
  const isToken = typeof token === 'string' && TOKEN.test(token) && Number.isFinite(seconds);
  if (!isToken || !/^application\/json\b/.test(type)) {
    throw new NoToken('bad-response', 'Usher answered without a well-formed token');
  }
  // Counted from before the request, when the token was not even made.
  return { token, freshUntil: sentAt + seconds * 1000 - FRESH_AT_LEAST_MS };
}

/** POST to Usher. The timeout covers the whole answer; `body` is undefined if it is no JSON. */
async function post(path, { base = BASE, timeout = TIMEOUT_MS }, signal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, timeout);
  signal.addEventListener('abort', abort);
  try {
    if (signal.aborted) abort();
    const response = await fetch(new URL(path, new URL(base, document.baseURI)), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Usher-Client': 'usher.js/1' },
      body: '{}',
      credentials: 'include',
      cache: 'no-store',
      redirect: 'error',
      signal: controller.signal,
    });
    return { response, body: parsed(await response.text()) };
  } catch {
    if (signal.aborted) throw signedOut();
    if (controller.signal.aborted) throw new NoToken('timeout', 'Usher did not answer in time');
    throw new NoToken('network-error', 'Usher could not be reached, or redirected the request');
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

function endVisit() {
  return new Promise((resolve, reject) => {
    // A tag that has not loaded, and perhaps never will, has no visit to wait for.
    if (Array.isArray(queue())) resolve();
    queue().push(async (iAdvize) => {
      try {
        resolve(await iAdvize.logout());
      } catch (error) {
        reject(error);
      }
    });
  });
}

function queue() {
  return (window.iAdvizeInterface ??= []);
}

function notActivated({ code = 'bad-response', message: reason, fields }) {
  const { supportId, signInUrl } = fields ?? {};
  return { activated: false, mode: null, code, reason, supportId, signInUrl };
}

function signedOut() {
  return new NoToken('signed-out', 'the visitor has signed out');
}

function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function text(value) {
  return typeof value === 'string' ? value.slice(0, 256) : undefined;
}

function webAddress(value) {
  const url = typeof value === 'string' && URL.canParse(value, BASE) && new URL(value, BASE);
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined;
}

function publish(outcome) {
  const { activated, mode, code, reason, supportId } = outcome;
  const why = `${reason} (${code}${supportId ? `, support id ${supportId}` : ''})`;
  const what = activated ? `the chat is active, ${mode}` : 'the chat is not active';
  console.info(`Usher: ${what}${code ? `: ${why}` : ''}.`);
  document.dispatchEvent(new CustomEvent('usher:outcome', { detail: Object.freeze(outcome) }));
  return outcome;
}

const isOurs = (script) => script.src === import.meta.url && 'activate' in script.dataset;

if ([...document.scripts].some(isOurs)) {
  // A page that is being prerendered has no visitor yet.
  if (document.prerendering) document.addEventListener('prerenderingchange', () => activate());
  else activate();
}
