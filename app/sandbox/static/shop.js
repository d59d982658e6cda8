/** The demo shop: shows what happens between the page, Usher and the tag. */

import { signOut } from '../../static/usher.js';
import { lastDisabledAccount, provokeFailures } from './failures.js';
import { describe, describeOutcome } from './words.js';
import { showToken } from './token.js';

const HOME = new URL('../', import.meta.url);
const byId = (id) => document.getElementById(id);

let visitor = null;
let outcome = null;
let verdict = null;

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
provokeFailures({ account: () => visitor?.account, signInChanged: lookWhoIsSignedIn });

byId('sign-out').addEventListener('click', async () => {
  try {
    const elsewhere = await signOut();
    if (elsewhere) location.assign(elsewhere);
  } finally {
    outcome = { activated: false, mode: null, code: 'signed-out' };
    await lookWhoIsSignedIn();
  }
});

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
  document.querySelector('[data-action="enable"]').textContent = `Enable ${lastDisabledAccount()} again`;
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
