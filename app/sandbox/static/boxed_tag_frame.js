/**
 * The stand-in for the frame's half of iAdvize's boxed-tag: passes the host's messages on to the
 * tag. As the original it takes the first message after it has asked for a token for the answer.
 */
(() => {
  'use strict';

  const tell = (message) => parent.postMessage(message, '*');
  const say = (method, more) => tell({ command: 'internals', method, ...more });

  function nextToken() {
    say('get-activate-auth-token');
    return new Promise((resolve) => {
      const take = ({ data: { method, args } }) => {
        if (method === 'set-activate-auth-token') resolve(args);
      };
      addEventListener('message', take, { once: true });
    });
  }

  async function activate(iAdvize, { authenticationOption: { type } }) {
    const isSecured = type === 'SECURED_AUTHENTICATION';
    const activation = await iAdvize.activate(async () => ({
      authenticationOption: { type, token: isSecured ? await nextToken() : null },
    }));
    say('activate', { activation });
  }

  async function logout(iAdvize) {
    say('logout', { logout: await iAdvize.logout() });
  }

  addEventListener('message', ({ data: { method, args } }) => {
    if (method === 'activate') window.iAdvizeInterface.push((it) => activate(it, args));
    if (method === 'logout') window.iAdvizeInterface.push(logout);
  });

  // The frame is as large as what it shows.
  const chat = () => document.querySelector('usher-sandbox-chat');
  const isOpen = () => chat()?.shadowRoot.querySelector('.panel').hidden === false;
  for (const type of ['click', 'keydown']) {
    addEventListener(type, () => setTimeout(() => tell({ open: isOpen() })));
  }
})();
