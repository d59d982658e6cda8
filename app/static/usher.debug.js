/**
 * For development: says in words why there is no chat, and what to change. Put it before usher.js,
 * and take it away again:
 *
 *   <script type="module" src="/usher/static/usher.debug.js"></script>
 *
 * Each finding is in the console, and the detail `{ cause, text }` of an event `usher:diagnosis`.
 * With `data-base`, Usher is looked for there, as with the option `base` of `activate`.
 */

/** @typedef {import('./usher.js').Outcome} Outcome */

const TAG_WITHIN_MS = 10_000;
const ACTIVATION_WITHIN_MS = 20_000;

const own = [...document.scripts].find((it) => it.src === import.meta.url);
const base = new URL(own?.dataset.base ?? new URL('../', import.meta.url), document.baseURI);

/** What to do about a refusal. Each code has a page in Usher's documentation. @type {Record<string, string>} */
const REFUSALS = {
  'session-expired': 'The sign-in is over. Send the visitor to signInUrl.',
  'account-inactive': 'The account is disabled or gone. Enable it at its provider, or use another.',
  'client-header-required': 'The header X-Usher-Client did not arrive. Look for a proxy that drops it.',
  'cross-origin': 'The request came from another origin. Add this page’s to allowed_origins.',
  'host-not-allowed': 'Usher is asked under a name that it does not know. Compare public_url, and what the proxy sends as Host.',
  'https-required': 'The request came over plain http. Set X-Forwarded-Proto at the proxy, and list the proxy in the settings.',
  'identity-unusable': 'This person’s userId is empty or not usable. Look at token.user_id, and at the audit line.',
  'too-many-requests': 'Too many requests for one person. Is there a loop in the page, or a test with one account?',
  'internal-error': 'Something broke in Usher. The log has it under the support id.',
};

/** What to do about iAdvize's reasons; the first that fits. @type {[RegExp, string][]} */
const REASONS = [
  [/valid authentication option/, 'The tag got something else than a token: something else on this page calls activate.'],
  [/already ongoing/, 'Something else on this page calls iAdvize.activate too. Leave it to Usher alone.'],
  [/activate twice/, 'The page has activated before. Once is enough; to begin anew, call signOut() or iAdvize.logout() first.'],
  [/server error/, 'iAdvize does not accept the token: check that it has your public key, that its own is the one in token.recipient_key, and that the authenticated mode is on for this project.'],
  [/from credentials/, 'This is the set-up at iAdvize. Ask iAdvize.'],
  [/malformed/, 'Something changed the token on its way. Try it with `usher inspect`.'],
  [/invalid key/, 'The keys do not fit: compare `usher keys show` with what iAdvize has.'],
  [/expired/, 'The token was too old: compare the clock of the server with `usher check`.'],
];

/** @type {string[]} */
const forbidden = [];
let isLoaded = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let pending;

/** @param {string} cause @param {string} text */
function diagnose(cause, text) {
  console.info(`Usher, diagnosis: ${cause}. ${text}`);
  document.dispatchEvent(new CustomEvent('usher:diagnosis', { detail: { cause, text } }));
}

/** @param {Outcome} outcome */
async function explain({ activated, code = '', reason = '' }) {
  if (activated && !code) return;
  if (code === 'no-session') return nobody();
  if (code === 'network-error') return unreachable();
  if (code === 'offline') return diagnose(code, 'The browser has no network. The chat comes back with it.');
  if (code === 'timeout') return diagnose('service-slow', `${base} does not answer in time. Is it overloaded, or is a proxy waiting for it?`);
  if (code === 'bad-response') return diagnose('service-down', `${reason}. That was no answer of Usher’s, but a proxy’s or another program’s: does ${base} lead to Usher?`);
  if (code === 'signed-out' || code === 'visitor-changed') return diagnose(code, 'That is as it should be.');
  if (code === 'activation-failed') {
    const advice = REASONS.find(([pattern]) => pattern.test(reason))?.[1];
    return diagnose(code, `iAdvize said: “${reason}”. ${advice ?? 'This reason is not documented. Ask iAdvize.'}`);
  }
  return diagnose('refused', `Usher refused with ${code}: ${reason}. ${REFUSALS[code] ?? `See “${code}” in the documentation, under problems.`}`);
}

function nobody() {
  if (!navigator.cookieEnabled) {
    return diagnose('cookie-not-sent', 'This browser blocks all cookies. No sign-in is possible.');
  }
  const text = 'so browsers do not send the sign-in cookie (SameSite=Lax, third-party). Serve Usher under this page’s own site, best below a path of it.';
  if (site(base) !== site(location)) {
    return diagnose('cookie-not-sent', `${base.origin} and ${location.origin} are two sites, ${text}`);
  }
  if (window.top !== window && [...(location.ancestorOrigins ?? [])].some((it) => site(new URL(it)) !== site(location))) {
    return diagnose('cookie-not-sent', `This page is in a frame of another site, ${text}`);
  }
  return diagnose('signed-out', 'Nobody is signed in: no sign-in cookie arrived, or an unknown one. Sign in, and look whether the browser has kept the cookie (Application, Cookies).');
}

/** Scheme and registrable domain, as far as one can tell without the list of public suffixes. @param {URL | Location} url */
function site({ protocol, hostname }) {
  const labels = hostname.split('.');
  if (/^[\d.]+$|:/.test(hostname) || labels.length < 3) return `${protocol}${hostname}`;
  const isShort = /** @param {string} it */ (it) => it.length <= 3;
  return `${protocol}${labels.slice(labels.slice(-2).every(isShort) ? -3 : -2).join('.')}`;
}

/** A script is not told why a request failed, so others are made that fail in other ways. */
async function unreachable() {
  // A violation of the policy is told a moment after the request has failed.
  await new Promise((resolve) => setTimeout(resolve));
  if (forbidden.some((it) => it.startsWith(base.origin) || it === 'self')) {
    return diagnose('csp-blocked', `The Content Security Policy of this page forbids it. Add ${base.origin} to connect-src.`);
  }
  const isForeign = base.origin !== location.origin;
  const mode = isForeign ? 'no-cors' : 'same-origin';
  const address = new URL('health/live', base);
  const isThere = await fetch(address, { mode, cache: 'no-store', credentials: 'omit' }).then(() => true, () => false);
  if (!isThere) return diagnose('service-down', `${base} does not answer at all. Is Usher running, and does this address lead to it?`);
  if (isForeign) {
    return diagnose('cors-blocked', `Usher is there, but does not let this origin read its answers. Add "${location.origin}" to allowed_origins, and let no proxy change the headers or redirect.`);
  }
  return diagnose('redirected', `Usher is there, but the request was redirected or cut off. Look at the answer to ${new URL('token', base)} under Network: a proxy may be sending it to a sign-in page.`);
}

function tagIsLate() {
  if (isLoaded) return;
  const tags = [...document.scripts].filter((it) => /iadvize[^/]*\.js/i.test(it.src));
  if (!tags.length) return diagnose('tag-missing', 'iAdvize’s tag is not on this page: there is no script with iadvize.js in its address. Does a consent tool hold it back?');
  diagnose('tag-not-loaded', `iAdvize’s tag is on this page (${tags[0].src}), but has not loaded. Look for it under Network: a blocker, the Content Security Policy, or the network.`);
}

document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
  if (effectiveDirective === 'connect-src') forbidden.push(blockedURI);
});
document.addEventListener('usher:outcome', ({ detail }) => {
  clearTimeout(pending);
  explain(detail);
});
document.addEventListener('usher:activating', () => {
  pending = setTimeout(() => {
    diagnose('activation-pending', 'iAdvize.activate() has been called, and does not come to an end. With a boxed tag: does boxed.js know the frame? Else look under Network for what the tag waits for.');
  }, ACTIVATION_WITHIN_MS);
});
(window.iAdvizeInterface ??= /** @type {any} */ ([])).push(() => {
  isLoaded = true;
});
setTimeout(tagIsLate, TAG_WITHIN_MS);
