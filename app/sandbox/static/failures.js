/** The buttons that provoke failures. */

import { activate } from '../../static/usher.js';

const HOME = new URL('../', import.meta.url);
const USHER = new URL('../', HOME);
const DISABLED = 'disabled account';
const ANONYMOUS = { authenticationOption: { type: 'ANONYMOUS_AUTHENTICATION' } };

let page;

const actions = {
  async 'wrong-shape'() {
    await tag.logout();
    await directly(async () => ({ token: 'in the wrong place' }));
  },
  'activate-twice': () => directly(async () => ANONYMOUS),
  async 'activate-during'() {
    await tag.logout();
    let second;
    const interrupt = ({ detail }) => {
      if (detail.kind === 'token-function') second ??= directly(async () => ANONYMOUS);
    };
    document.addEventListener('iadvize-sandbox', interrupt);
    const { activated } = await activate();
    document.removeEventListener('iadvize-sandbox', interrupt);
    await second;
    if (!activated) say('There is nobody to activate the chat for: sign in first.');
  },
  anonymous: () => directly(async () => ANONYMOUS),
  async activate() {
    const { activated, reason } = await activate();
    say(activated ? 'Activated.' : `Not activated: ${reason}.`);
  },
  async 'sign-out-elsewhere'() {
    await post(new URL('sign-out', USHER), {});
    await page.signInChanged();
    say('Signed out at Usher. This page finds out when iAdvize next asks for a token.');
  },
  async disable() {
    sessionStorage.setItem(DISABLED, page.account());
    await changeAccount(false);
    say(`${lastDisabledAccount()} is disabled. This page finds out when iAdvize next asks for a token.`);
  },
  async enable() {
    await changeAccount(true);
    say(`${lastDisabledAccount()} may sign in again.`);
  },
  async refresh() {
    if (tag.state.mode !== 'authenticated') {
      say('There is no authenticated visit whose session could end.');
      return;
    }
    await tag.refresh();
    say(tag.state.mode === 'authenticated'
      ? 'iAdvize asked again, and got a new token.'
      : 'iAdvize asked again, got no token, and the visit has ended.');
  },
};

const tag = {
  get state() { return window.iAdvizeSandbox.state; },
  refresh: () => window.iAdvizeSandbox.refresh(),
  logout: () => withTag((iAdvize) => iAdvize.logout()),
};

function withTag(use) {
  return new Promise((resolve, reject) => {
    window.iAdvizeInterface.push((iAdvize) => use(iAdvize).then(resolve, reject));
  });
}

/** Activate without Usher, as a page with a mistake in it would. */
async function directly(option) {
  const { authentication } = await withTag((iAdvize) => iAdvize.activate(option));
  const { status, reason } = authentication;
  say(`activate() gave ${status}${reason ? `: “${reason}”` : ''}.`);
}

async function changeAccount(active) {
  await post(new URL('accounts', HOME), { name: lastDisabledAccount(), active });
  await page.signInChanged();
}

async function post(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
}

function say(text) {
  document.getElementById('said').textContent = text;
}

/**
 * Give every button with `data-action` its work.
 *
 * @param {{account: () => string, signInChanged: () => Promise<void>}} shop Who is signed in
 *   now, and what to call when that may have changed.
 */
export function provokeFailures(shop) {
  page = shop;
  document.addEventListener('click', async ({ target }) => {
    const act = actions[target.dataset.action];
    if (!act) return;
    try {
      await act();
    } catch (error) {
      say(`That did not work: ${error.message}.`);
    }
  });
}

/** The account that this browser has disabled last. */
export function lastDisabledAccount() {
  return sessionStorage.getItem(DISABLED) ?? 'jane';
}
