/**
 * Usher's browser client. Described in usher.d.ts, and its inside in usher.internal.d.ts.
 */

const SELF = import.meta.url;
const BASE = new URL('../', SELF);
const FRESH_AT_LEAST_MS = 5_000;
const TOKEN = /^[\w-]+(\.[\w-]+){4}$/;
const TOKEN_IN_TEXT = /[\w-]{16,}(\.[\w-]*){2,}/g;
const CODE = /^[a-z][a-z0-9-]{0,63}$/;

/** @type {Promise<Outcome> | null} */
let ongoing = null;
/** @type {Options | undefined} */
let wanted;
/** @type {Visitor} */
let visitor = null;
// Aborted when the visit ends: what began before may not activate after.
let visit = new AbortController();
/** @type {Promise<unknown>} */
let leaving = Promise.resolve();
const tabs = self.BroadcastChannel && new BroadcastChannel(`usher ${BASE}`);

class NoToken extends Error {
  /** @param {string} code @param {string} reason @param {Record<string, any>} [fields] */
  constructor(code, reason, fields) {
    super(reason);
    this.code = code;
    this.fields = fields;
  }
}

/** Activate the chat for whoever is signed in. @type {typeof import('./usher.js').activate} */
export function activate(options = {}) {
  if (ongoing) return ongoing;
  /** @type {Run} */
  const run = { options, signal: visit.signal, start: wanted ? performance.now() : 0 };
  wanted = options;
  const mine = begin(run).then((outcome) => {
    if (ongoing === mine) ongoing = null;
    return publish(outcome, run);
  });
  ongoing = mine;
  return mine;
}

/** Sign out, and end the visits in all tabs. @type {typeof import('./usher.js').signOut} */
export async function signOut(options = {}) {
  const left = ask('sign-out', { options, signal: new AbortController().signal }).then((answer) => {
    if (answer.response.ok) return webAddress(answer.body?.sign_out_url);
    throw new Error(`Usher answered ${answer.response.status} to the sign-out`);
  });
  stop('signed-out', 'the visitor has signed out');
  tabs?.postMessage(null);
  leaving = Promise.allSettled([left, leaving]).then((results) => {
    // Again: a tab may have found the sign-in still there.
    tabs?.postMessage(null);
    const errors = results.flatMap((it) => (it.status === 'rejected' ? it.reason : []));
    if (errors.length) throw new AggregateError(errors, 'Usher: signing out failed in part');
  });
  await leaving;
  return left;
}

/** @param {Run} run @returns {Promise<Outcome>} */
async function begin(run) {
  await leaving.catch(() => {});
  if (document.prerendering) {
    await new Promise((resolve) => document.addEventListener('prerenderingchange', resolve));
  }
  try {
    run.grant = await requestToken(run);
  } catch (/** @type {any} */ refusal) {
    const outcome = notActivated(refusal);
    if (run.signal.aborted) return outcome;
    visitor = null;
    if (refusal.fields?.activation !== 'anonymous') return outcome;
    const anonymous = { authenticationOption: { type: 'ANONYMOUS_AUTHENTICATION' } };
    return callTag(async () => anonymous, 'anonymous', run, outcome);
  } finally {
    run.tokenMs = Math.round(performance.now() - run.start);
  }
  visitor = run.grant.visitor;
  tabs?.postMessage(visitor);
  const outcome = await callTag(tokenFunction(run.grant, run), 'secured', run);
  run.isSettled = true;
  return run.refused ?? outcome;
}

/** @param {Grant | null} first @param {Run} run */
function tokenFunction(first, run) {
  const { signal } = run;
  return async () => {
    try {
      if (run.refused || signal.aborted) throw new Error('this visit has ended');
      let grant = first;
      first = null;
      if (!grant || performance.now() > grant.expires - FRESH_AT_LEAST_MS) {
        grant = await requestToken(run);
      }
      follow(grant.visitor);
      signal.throwIfAborted();
      run.grant = grant;
      run.remaining = Math.round((grant.expires - performance.now()) / 1000);
      return { authenticationOption: { type: 'SECURED_AUTHENTICATION', token: grant.token } };
    } catch (/** @type {any} */ refusal) {
      if (!run.refused && !signal.aborted) {
        visitor = null;
        run.refused = notActivated(refusal);
        if (run.isSettled) publish(run.refused, run);
        leaving = endVisit();
      }
      throw new Error(`Usher: ${refusal.message}`);
    }
  };
}

/** @type {CallTag} */
function callTag(option, mode, run, fields) {
  const { signal } = run;
  return withTag(async (iAdvize) => {
    if (signal.aborted) return notActivated(signal.reason);
    tell('activating', { mode });
    let result;
    try {
      result = (await iAdvize.activate(option))?.authentication;
    } catch (/** @type {any} */ error) {
      result = { reason: error?.message };
    }
    if (signal.aborted) {
      leaving = endVisit();
      return notActivated(signal.reason);
    }
    const { status, reason } = result ?? {};
    const supportId = run.grant?.supportId ?? fields?.supportId;
    if (status === 'authentication-success') {
      return { ...fields, supportId, activated: true, status: 'activated', mode };
    }
    // The result holds the token. Nothing of it goes on but the reason.
    const said = String(reason ?? 'iAdvize gave no reason').replace(TOKEN_IN_TEXT, '[token]');
    return notActivated(new NoToken('activation-failed', said, { status: 'failed', supportId }));
  });
}

/** @param {Run} run @returns {Promise<Grant>} */
async function requestToken(run) {
  const sentAt = performance.now();
  const { response, body } = await ask('token', run);
  const type = response.headers.get('Content-Type') ?? '';
  const { token, expires_in: seconds, code, title, activation } = body ?? {};
  const supportId = text(body?.support_id);
  if (!response.ok && type.startsWith('application/problem+json') && CODE.test(text(code) ?? '')) {
    const signInUrl = webAddress(body.sign_in_url);
    const status = 'refused';
    throw new NoToken(code, text(title) ?? code, { status, activation, supportId, signInUrl });
  }
  const isToken = typeof token === 'string' && TOKEN.test(token) && Number.isFinite(seconds);
  if (!response.ok || !isToken || !/^application\/json\b/.test(type)) {
    throw new NoToken('bad-response', `Usher answered ${response.status}, and not with a token`);
  }
  return { token, visitor: text(body.visitor), supportId, expires: sentAt + seconds * 1000 };
}

/** @param {string} path @param {Asking} asking @param {RequestInit} [init] */
async function ask(path, { options, signal }, init) {
  signal.throwIfAborted();
  const both = new AbortController();
  signal.addEventListener('abort', () => both.abort(signal.reason));
  const timeout = new NoToken('timeout', 'Usher did not answer in time');
  const timer = setTimeout(() => both.abort(timeout), options.timeout ?? 10_000);
  try {
    const response = await send(path, options, { signal: both.signal, ...init });
    return { response, body: parsed(await response.text()) };
  } catch {
    both.signal.throwIfAborted();
    if (!navigator.onLine) throw new NoToken('offline', 'the browser is offline');
    throw new NoToken('network-error', 'Usher could not be reached, or redirected the request');
  } finally {
    clearTimeout(timer);
  }
}

/** @param {string} path @param {Options} options @param {RequestInit} init */
function send(path, { base = BASE }, init) {
  return fetch(new URL(path, new URL(base, document.baseURI)), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Usher-Client': 'usher.js/1' },
    body: '{}',
    credentials: 'include',
    cache: 'no-store',
    redirect: 'error',
    ...init,
  });
}

/** @param {string} code @param {string} reason */
function stop(code, reason) {
  const refusal = new NoToken(code, reason, { status: 'ended' });
  const wasActive = visitor && !ongoing;
  visit.abort(refusal);
  visit = new AbortController();
  ongoing = visitor = null;
  leaving = endVisit();
  if (wasActive) publish(notActivated(refusal));
}

/** @param {Visitor} key */
function follow(key) {
  if (!wanted || key === undefined || (key === visitor && (key || !ongoing))) return;
  if (!key) return stop('signed-out', 'the visitor has signed out');
  if (visitor) stop('visitor-changed', 'somebody else has signed in');
  activate(wanted);
}

async function check() {
  if (!wanted || ongoing || document.hidden) return;
  try {
    const asking = { options: wanted, signal: visit.signal };
    const { body } = await ask('session', asking, { method: 'GET', body: null });
    if (!ongoing) follow(body.signed_in === false ? null : text(body.visitor));
  } catch {
    // The next refresh decides.
  }
}

/** @template T @param {(iAdvize: IAdvize) => Promise<T>} use @returns {Promise<T>} */
function withTag(use) {
  return new Promise((resolve, reject) => {
    queue().push((iAdvize) => use(iAdvize).then(resolve, reject));
  });
}

/** @returns {Promise<unknown>} */
function endVisit() {
  // A tag that may never load has no visit to wait for.
  const isWaiting = Array.isArray(queue());
  const ended = withTag(async (iAdvize) => iAdvize.logout());
  ended.catch(() => {});
  return isWaiting ? Promise.resolve() : ended;
}

/** @returns {Queue} */
function queue() {
  return (window.iAdvizeInterface ??= []);
}

/** @param {any} refusal @returns {Outcome} */
function notActivated({ code = 'bad-response', message: reason, fields }) {
  const { status = 'error', supportId, signInUrl } = fields ?? {};
  return { activated: false, status, mode: null, code, reason: text(reason), supportId, signInUrl };
}

/** @param {string} json */
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value.slice(0, 200) : undefined;
}

/** @param {unknown} value */
function webAddress(value) {
  const url = typeof value === 'string' && URL.canParse(value, BASE) && new URL(value, BASE);
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined;
}

/** @param {string} name @param {object} detail */
function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(`usher:${name}`, { detail }));
}

/** @param {Outcome} outcome @param {Run} [run] */
function publish(outcome, run) {
  const { activated, status, mode, code, reason, supportId, signInUrl } = Object.freeze(outcome);
  const why = code ? `: ${reason} (${code}${supportId ? `, support id ${supportId}` : ''})` : '';
  console.info(`Usher: the chat is ${activated ? `active, ${mode}` : 'not active'}${why}.`);
  tell('outcome', outcome);
  tell(status, outcome);
  if (run && supportId && (activated || !signInUrl)) {
    const body = JSON.stringify({
      v: 1,
      support_id: supportId,
      mode: mode ?? 'secured',
      status,
      reason: reason ?? null,
      code: code ?? null,
      timings: { token_ms: run.tokenMs, activated_ms: Math.round(performance.now() - run.start) },
      token_remaining_s: run.remaining ?? null,
    });
    send('outcomes', run.options, { keepalive: true, body }).catch(() => {});
  }
  return outcome;
}

if (tabs) tabs.onmessage = ({ data }) => follow(data);
addEventListener('online', check);
addEventListener('pageshow', ({ persisted }) => persisted && check());
document.addEventListener('visibilitychange', check);

if ([...document.scripts].some((it) => it.src === SELF && 'activate' in it.dataset)) activate();
