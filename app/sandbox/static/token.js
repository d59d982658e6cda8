/** The panel with the opened token. */

const byId = (id) => document.getElementById(id);
const USER_ID = 'https://iadvize.com/userId';

/** @param {{inspection?: object, token_sha256?: string}} verdict What the verifier answered. */
export function showToken({ inspection, token_sha256: hash }) {
  if (!inspection) return;
  byId('no-token').hidden = true;
  byId('token').hidden = false;
  const { claims, seconds_left: left, checks } = inspection;
  byId('token-user').textContent = claims?.[USER_ID] ?? 'could not be opened';
  byId('token-left').textContent = left === null ? 'unknown' : expiry(left);
  byId('token-size').textContent = `${inspection.token_bytes} bytes, in segments of ${inspection.segment_bytes.join(', ')}`;
  byId('token-hash').textContent = hash;
  byId('json').textContent = JSON.stringify({
    'outer header': inspection.outer_header,
    'inner header': inspection.inner_header,
    claims,
  }, null, 2);
  byId('checks-summary').textContent = `Checks: ${summary(checks)}`;
  byId('checks').replaceChildren(...checks.map(toItem));
}

function summary(checks) {
  const failed = checks.filter(({ passed }) => passed === false).length;
  const unjudged = checks.filter(({ passed }) => passed === null).length;
  if (!failed && !unjudged) return `all ${checks.length} passed`;
  return `${failed} of ${checks.length} failed${unjudged ? `, ${unjudged} could not be judged` : ''}`;
}

function expiry(left) {
  const seconds = Math.round(Math.abs(left));
  return left > 0 ? `${seconds} s after iAdvize saw it` : `${seconds} s before iAdvize saw it`;
}

function toItem({ name, passed, detail }) {
  const item = document.createElement('li');
  item.dataset.status = passed === null ? 'idle' : passed ? 'ok' : 'no';
  const label = document.createElement('b');
  label.textContent = name.replaceAll('-', ' ');
  const verdict = document.createElement('span');
  verdict.className = 'unseen';
  verdict.textContent = passed === null ? 'not judged:' : passed ? 'passed:' : 'failed:';
  const words = document.createElement('span');
  words.className = 'detail';
  words.textContent = detail;
  item.append(verdict, label, words);
  return item;
}
