/** The demo shop: shows what happens between the page, Usher and the tag, and provokes failures. */

import { activate, signOut } from '../../static/usher.js';
import { describe, describeOutcome } from './words.js';
import { showToken } from './token.js';

const HOME = new URL('../', import.meta.url);
const USHER = new URL('../', HOME);
const byId = (id) => document.getElementById(id);

let visitor = null;
let outcome = null;
let verdict = null;
let disabledAccount = sessionStorage.getItem('disabled account') ?? 'jane';

// --- What is shown -----------------------------------------------------------------------

document.addEventListener('usher:outcome', ({ detail }) => {
  outcome = detail;
  addToTimeline(Date.now(), describeOutcome(detail));
  render();
});
document.addEventListener('iadvize-sandbox', ({ detail }) => show(detail));

// The tag may have been faster than this script.
window.iAdvizeSandbox?.timeline.forEach(show);
lookWhoIsSignedIn();
markChosenCondition();

function show(entry) {
  if (entry.kind === 'verdict') {
    verdict = entry;
    showToken(entry);
  }
  addToTimeline(entry.at, describe(entry));
  render();
}

async function lookWhoIsSignedIn() {
  visitor = await (await fetch(new URL('visitor', HOME))).json();
  render();
}

function render() {
  renderAccount();
  const chat = window.iAdvizeSandbox?.state ?? { mode: 'inactive' };
  setStep('sign-in', signInStep());
  setStep('token', tokenStep());
  setStep('verdict', verdictStep(chat));
  setStep('chat', chatStep(chat));
  document.documentElement.dataset.chat = chat.mode;
  byId('ask').textContent = {
    authenticated: 'Questions? Our chat, at the bottom right, knows who you are.',
    anonymous: 'Questions? Our chat is at the bottom right.',
    inactive: visitor?.signed_in ? 'Our chat is not available just now.' : 'Sign in to chat with us.',
  }[chat.mode];
}

function renderAccount() {
  if (!visitor) return;
  const { signed_in: signedIn, name, account } = visitor;
  byId('account-name').textContent = signedIn ? name : 'Not signed in';
  byId('sign-in').hidden = signedIn;
  byId('sign-in').href = signInAddress();
  byId('sign-out').hidden = !signedIn;
  const disable = document.querySelector('[data-action="disable"]');
  disable.disabled = !signedIn;
  disable.textContent = signedIn ? `Disable ${account}` : 'Disable this account';
  document.querySelector('[data-action="enable"]').textContent = `Enable ${disabledAccount} again`;
}

function signInStep() {
  if (!visitor) return ['wait', 'Looking …'];
  return visitor.signed_in
    ? ['ok', `${visitor.name}, account ${visitor.account}.`]
    : ['no', 'Nobody is signed in.'];
}

function tokenStep() {
  const asked = window.iAdvizeSandbox?.count('activate') > 0;
  if (!outcome) return asked ? ['ok', 'Granted.'] : ['wait', 'Asking Usher …'];
  if (outcome.mode === 'secured') return ['ok', 'Granted: signed by the shop, encrypted for iAdvize.'];
  if (outcome.code === 'activation-failed') return ['ok', 'Granted, so Usher did its part.'];
  if (outcome.code === 'signed-out') return ['idle', 'Not asked for since signing out.'];
  const support = outcome.supportId ? ` Support id ${outcome.supportId}.` : '';
  return ['no', `Refused: ${outcome.reason} (${outcome.code}).${support}`];
}

function verdictStep(chat) {
  if (!verdict) return ['idle', 'Never asked: without a token the tag is not activated.'];
  if (verdict.status !== 'authentication-success') {
    return ['no', `Refused: “${verdict.reason}” (${verdict.code}).`];
  }
  return chat.mode === 'authenticated'
    ? ['ok', `Decrypted and verified. userId ${verdict.visitor.user_id}.`]
    : ['idle', 'Was verified, until the visit ended.'];
}

function chatStep(chat) {
  if (chat.mode === 'authenticated') return ['ok', `Authenticated as ${chat.name}.`];
  if (chat.mode === 'anonymous') return ['half', 'Anonymous.'];
  if (chat.phase) return ['wait', 'Being activated …'];
  return [visitor?.signed_in ? 'no' : 'idle', 'Off. The page shows no chat at all.'];
}

function setStep(name, [status, text]) {
  const item = document.querySelector(`[data-step="${name}"]`);
  item.dataset.status = status;
  const paragraph = item.querySelector('p');
  if (paragraph.textContent === text) return;
  paragraph.textContent = text;
  if (name === 'chat') byId('announcement').textContent = `Chat: ${text}`;
}

function addToTimeline(at, { text, status }) {
  const item = document.createElement('li');
  const time = document.createElement('span');
  time.className = 'time';
  time.textContent = `${((at - performance.timeOrigin) / 1000).toFixed(2)} s`;
  item.append(time, text);
  if (status) item.dataset.status = status;
  const list = byId('timeline');
  list.append(item);
  list.scrollTop = list.scrollHeight;
}

function markChosenCondition() {
  const chosen = location.search || '?';
  for (const link of byId('conditions').querySelectorAll('a')) {
    if (link.getAttribute('href') === chosen) link.setAttribute('aria-current', 'true');
  }
}

function signInAddress() {
  const address = new URL(document.body.dataset.signIn, location.href);
  address.searchParams.set('next', location.pathname + location.search);
  return address.href;
}

// --- What the buttons do -----------------------------------------------------------------

const ANONYMOUS = { authenticationOption: { type: 'ANONYMOUS_AUTHENTICATION' } };

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
    await lookWhoIsSignedIn();
    say('Signed out at Usher. This page finds out when iAdvize next asks for a token.');
  },
  async disable() {
    disabledAccount = visitor.account;
    sessionStorage.setItem('disabled account', disabledAccount);
    await changeAccount(false);
    say(`${disabledAccount} is disabled. This page finds out when iAdvize next asks for a token.`);
  },
  async enable() {
    await changeAccount(true);
    say(`${disabledAccount} may sign in again.`);
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
  await post(new URL('accounts', HOME), { name: disabledAccount, active });
  await lookWhoIsSignedIn();
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
  byId('said').textContent = text;
}

document.addEventListener('click', async ({ target }) => {
  const act = actions[target.dataset.action];
  if (!act) return;
  try {
    await act();
  } catch (error) {
    say(`That did not work: ${error.message}.`);
  }
});

byId('sign-out').addEventListener('click', async () => {
  try {
    await signOut();
  } finally {
    outcome = { activated: false, mode: null, code: 'signed-out' };
    await lookWhoIsSignedIn();
  }
});
