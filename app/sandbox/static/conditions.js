/**
 * The brand's snippet in front of the tag, and here also what goes wrong at "iAdvize": the
 * address of the page says it, as `?condition=expired` or `?session=10`. Runs before the tag.
 */
(() => {
  'use strict';

  const CONDITIONS = {
    expired: { clockOffset: 600 },
    'clock-ahead': { clockOffset: -600 },
    'wrong-key': { recipientKey: 'other' },
    'server-error': { answer: 'server-error' },
    'feature-off': { answer: 'feature-off' },
    credentials: { answer: 'credentials' },
    malformed: { answer: 'malformed' },
    broken: { answer: 'broken' },
    'no-option': { mistake: 'no-option' },
    'activation-ongoing': { mistake: 'activation-ongoing' },
    'login-ongoing': { mistake: 'login-ongoing' },
    twice: { mistake: 'twice' },
    slow: { delay: 3000 },
    'never-answers': { isSilent: true },
    'third-retry': { failures: 3 },
  };
  const NUMBERS = { session: 'sessionSeconds', delay: 'delay', failures: 'failures' };

  const parameters = new URLSearchParams(location.search);
  const sandbox = { ...CONDITIONS[parameters.get('condition')] };
  for (const [name, condition] of Object.entries(NUMBERS)) {
    const value = Number(parameters.get(name));
    if (value > 0) sandbox[condition] = value;
  }

  window.iAdvizeInterface = window.iAdvizeInterface || [];
  window.iAdvizeInterface.config = { sid: 'sandbox', sandbox };
})();
