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
    slow: { delay: 3000 },
    'third-retry': { failures: 3 },
  };

  const parameters = new URLSearchParams(location.search);
  const sandbox = { ...CONDITIONS[parameters.get('condition')] };
  const session = Number(parameters.get('session'));
  if (session > 0) sandbox.sessionSeconds = session;

  window.iAdvizeInterface = window.iAdvizeInterface || [];
  window.iAdvizeInterface.config = { sid: 'sandbox', sandbox };
})();
