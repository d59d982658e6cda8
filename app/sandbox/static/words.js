/** The entries of the timeline in words: `{ text, status }`, where status is ok, no or none. */

const result = (status) => (status === 'authentication-success' ? 'ok' : 'no');
const because = (reason) => (reason ? `: “${reason}”` : '');

const SENTENCES = {
  loaded: () => ({ text: 'iAdvize’s tag has loaded. It does nothing until it is activated.' }),
  activate: () => ({ text: 'The page calls iAdvize.activate().' }),
  'token-function': ({ attempt }) => ({
    text: attempt > 1 ? `The tag tries again (retry ${attempt - 1} of 3).` : 'The tag asks the page for a token.',
  }),
  'token-function-failed': ({ message }) => ({ text: `The page has none. ${message}.`, status: 'no' }),
  verdict: ({ status, reason, code }) => (reason
    ? { text: `iAdvize refuses the token${because(reason)} (${code}).`, status: 'no' }
    : { text: 'iAdvize opens the token, and accepts it.', status: result(status) }),
  result: ({ status, reason }) => ({
    text: `activate() gives ${status}${because(reason)}.`, status: result(status),
  }),
  refresh: () => ({ text: 'The session at iAdvize is over: who is there?' }),
  'refresh-result': ({ status, reason }) => (reason
    ? { text: `The visit has ended${because(reason)}.`, status: 'no' }
    : { text: 'The session goes on, with a new token.', status: result(status) }),
  logout: () => ({ text: 'The page calls iAdvize.logout(): the visit has ended.' }),
};

/** @param {{kind: string}} entry One entry of the tag's timeline. */
export function describe(entry) {
  return SENTENCES[entry.kind](entry);
}

/** @param {import('../../static/usher.js').Outcome} outcome */
export function describeOutcome({ activated, mode, code, reason }) {
  return activated
    ? { text: `Usher’s client: the chat is active (${mode}).`, status: mode === 'secured' ? 'ok' : undefined }
    : { text: `Usher’s client: no chat. ${reason} (${code}).`, status: 'no' };
}
