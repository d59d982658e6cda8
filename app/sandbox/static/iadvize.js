/**
 * The stand-in for iAdvize's tag: what is documented of it, and nothing that is not.
 *
 * It drains `window.iAdvizeInterface`, calls each queued function with `iAdvize` (`activate`,
 * `logout`), tries a failed authentication again three times, asks for a new token when the
 * session at "iAdvize" is over, and shows a chat only while a visit is active.
 *
 * For tests and the demo page, `window.iAdvizeSandbox` holds the `timeline` of everything that
 * happened (without tokens), the `state`, and `refresh()`, which ends the session at once. Each
 * new entry is also the detail of an event `iadvize-sandbox` on `document`.
 *
 * `iAdvizeInterface.config.sandbox` provokes failures:
 *   clockOffset     seconds that the clock of the stand-in is ahead of the brand's
 *   recipientKey    'other': it opens tokens with another key than the brand encrypts for
 *   answer          instead of a verdict: 'server-error', 'feature-off', 'credentials',
 *                   'malformed' or 'broken' (no JSON)
 *   mistake         the answer to a mistake in the page, for every activation: 'no-option',
 *                   'activation-ongoing', 'login-ongoing' or 'twice'
 *   isSilent        no activation comes to its end
 *   failures        how many tries fail with a server error before one gets its verdict
 *   delay           milliseconds before each verdict
 *   retryDelay      milliseconds before each new try
 *   sessionSeconds  how long a session lasts; else as the server says
 */
(() => {
  'use strict';

  const HOME = document.currentScript.src;
  const RETRIES = 3;

  // iAdvize's own words.
  const NO_OPTION = 'A valid authentication option must be provided';
  const ACTIVATION_ONGOING = 'An activation is already ongoing';
  const LOGIN_ONGOING = 'A login is already ongoing';
  const TWICE = "Can't activate twice, please logout first";
  const SERVER_ERROR = 'Failed to fetch authentication with a server error';
  const MISTAKES = {
    'no-option': NO_OPTION,
    'activation-ongoing': ACTIVATION_ONGOING,
    'login-ongoing': LOGIN_ONGOING,
    twice: TWICE,
  };
  // Not documented by iAdvize.
  const LOGGED_OUT = 'Logged out during the activation';

  const waiting = window.iAdvizeInterface ?? [];
  const config = waiting.config ?? {};
  const conditions = { failures: 0, delay: 0, retryDelay: 200, ...config.sandbox };

  const timeline = [];
  let phase = null; // null, 'activation' or 'login'
  let visit = null; // what the chat shows, while a visit is active
  let getOption = null;
  let refreshTimer = null;
  // Counts the visits, so that what belongs to an earlier one is told apart.
  let era = 0;

  function record(kind, detail = {}) {
    const entry = Object.freeze({ at: Date.now(), kind, ...detail });
    timeline.push(entry);
    showChat();
    document.dispatchEvent(new CustomEvent('iadvize-sandbox', { detail: entry }));
  }

  async function activate(option) {
    record('activate');
    const result = await begin(option);
    const { option: used, status, reason } = result.authentication;
    record('result', { type: used?.type ?? null, status, reason });
    return result;
  }

  async function begin(option) {
    const { isSilent, mistake } = conditions;
    if (isSilent) await new Promise(() => {});
    if (mistake) return failure(undefined, MISTAKES[mistake]);
    if (visit?.mode === 'authenticated') return failure(undefined, TWICE);
    if (phase === 'login') return failure(undefined, LOGIN_ONGOING);
    if (phase) return failure(undefined, ACTIVATION_ONGOING);
    if (typeof option !== 'function') return failure(undefined, NO_OPTION);
    return authenticate(option, ++era);
  }

  /** One authentication with its retries, in the beginning or at a refresh. */
  async function authenticate(option, mine) {
    let outcome;
    for (let attempt = 1; attempt <= 1 + RETRIES; attempt += 1) {
      phase = 'activation';
      if (attempt > 1) await pause(conditions.retryDelay);
      if (era === mine) outcome = await tryOnce(option, attempt, mine);
      if (era !== mine) return failure(outcome?.option, LOGGED_OUT);
      if (!outcome.again) break;
    }
    phase = null;
    if (outcome.reason) return failure(outcome.option, outcome.reason);
    begun(option, outcome);
    return { authentication: { option: outcome.option, status: 'authentication-success' } };
  }

  async function tryOnce(option, attempt, mine) {
    record('token-function', { attempt });
    let given;
    try {
      given = (await option())?.authenticationOption;
    } catch (error) {
      record('token-function-failed', { attempt, message: String(error?.message ?? error) });
      return { reason: NO_OPTION, again: true };
    }
    if (given?.type === 'ANONYMOUS_AUTHENTICATION') return { option: given };
    if (given?.type !== 'SECURED_AUTHENTICATION' || typeof given.token !== 'string') {
      return { option: given, reason: NO_OPTION };
    }
    if (era !== mine) return { option: given, reason: LOGGED_OUT };
    phase = 'login';
    const verdict = await verify(given.token, attempt);
    record('verdict', { attempt, ...verdict });
    return verdict.status === 'authentication-success'
      ? { option: given, verdict }
      : { option: given, reason: verdict.reason, again: true };
  }

  async function verify(token, attempt) {
    const { clockOffset, recipientKey, answer, failures, delay } = conditions;
    await pause(delay);
    try {
      const response = await fetch(new URL('authenticate', HOME), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Usher-Client': 'sandbox/1' },
        body: JSON.stringify({
          token,
          conditions: {
            clock_offset_seconds: clockOffset,
            recipient_key: recipientKey,
            answer: attempt <= failures ? 'server-error' : answer,
          },
        }),
      });
      if (response.ok) return await response.json();
    } catch {
      // Said below: to the page, every fault of the server is one.
    }
    return { status: 'authentication-failure', reason: SERVER_ERROR, code: 'server-error' };
  }

  function begun(option, { verdict }) {
    clearTimeout(refreshTimer);
    if (!verdict) {
      visit = { mode: 'anonymous' };
      return;
    }
    const { visitor, inspection, session_seconds: seconds } = verdict;
    visit = { mode: 'authenticated', ...visitor, inspection };
    getOption = option;
    refreshTimer = setTimeout(refresh, (conditions.sessionSeconds ?? seconds) * 1000);
  }

  /** The session is over: the identity must be shown again, or the visit ends. */
  async function refresh() {
    if (visit?.mode !== 'authenticated' || phase) return;
    clearTimeout(refreshTimer);
    record('refresh');
    const mine = era;
    const { authentication } = await authenticate(getOption, mine);
    if (era !== mine) return;
    if (authentication.status === 'authentication-failure') end();
    record('refresh-result', { status: authentication.status, reason: authentication.reason });
  }

  async function logout() {
    end();
    record('logout');
  }

  function end() {
    era += 1;
    clearTimeout(refreshTimer);
    phase = null;
    visit = null;
    getOption = null;
  }

  function failure(option, reason) {
    return { authentication: { option, status: 'authentication-failure', reason } };
  }

  function pause(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }

  let chat = null;

  /** The chat is loaded with the first visit; until then the page shows no trace of it. */
  function showChat() {
    if (!visit && !chat) return;
    chat ??= import(new URL('static/chat.js', HOME));
    chat.then(({ show }) => show(visit));
  }

  async function call(queued) {
    try {
      await queued(iAdvize);
    } catch (error) {
      console.error(error);
    }
  }

  const iAdvize = Object.freeze({ activate, logout });
  window.iAdvizeSandbox = Object.freeze({
    timeline,
    refresh,
    count: (kind) => timeline.filter((entry) => entry.kind === kind).length,
    get state() {
      return { mode: visit?.mode ?? 'inactive', phase, ...visit };
    },
  });
  window.iAdvizeInterface = { config, push: (...queued) => queued.forEach(call) };
  record('loaded');
  waiting.forEach(call);
})();
