/** The chat that a visitor sees while a visit is active. Nobody reads what is typed into it. */

const HELLO = 'Hello! How can we help?';
const ANSWER = 'Thank you. This is a stand-in, so nobody reads along.';

const host = document.createElement('usher-sandbox-chat');
const shadow = host.attachShadow({ mode: 'open' });
shadow.innerHTML = `
  <link rel="stylesheet" href="${new URL('chat.css', import.meta.url)}">
  <section class="panel" id="panel" role="dialog" aria-label="Chat" hidden>
    <header>
      <p class="who"></p>
      <p class="mode"></p>
      <button type="button" class="close" aria-label="Close the chat">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 9l6 6 6-6"/></svg>
      </button>
    </header>
    <ol class="messages" aria-live="polite"></ol>
    <form>
      <label for="text" class="unseen">Your message</label>
      <input id="text" name="text" autocomplete="off" placeholder="Write a message" maxlength="500">
      <button type="submit" aria-label="Send">
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 12h15M13 6l6 6-6 6"/></svg>
      </button>
    </form>
  </section>
  <button type="button" class="bubble" aria-expanded="false" aria-controls="panel">
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d="M4 5.5h16v10.5H11l-4.5 4V16H4z"/>
    </svg>
    <span class="label"></span>
  </button>
`;

const find = (selector) => shadow.querySelector(selector);
const panel = find('.panel');
const bubble = find('.bubble');
const messages = find('.messages');
const input = find('input');
// Unstyled for a moment otherwise.
host.hidden = true;
find('link').addEventListener('load', () => { host.hidden = false; });

/** Whose conversation is in the panel; null while it is an anonymous one. */
let owner = null;

/**
 * Show the chat of a visit, or none.
 *
 * An anonymous conversation goes on when its visitor signs in. No other conversation passes
 * from one person to another.
 *
 * @param {{mode: string, user_id?: string, name?: string} | null} visit
 */
export function show(visit) {
  if (!visit) {
    clear();
    return host.remove();
  }
  const user = visit.user_id ?? null;
  if (owner !== null && owner !== user) clear();
  owner = user;
  const authenticated = visit.mode === 'authenticated';
  host.dataset.mode = visit.mode;
  find('.who').textContent = authenticated ? visit.name : 'Anonymous visitor';
  find('.mode').textContent = authenticated ? 'Authenticated' : 'Not authenticated';
  find('.label').textContent = authenticated
    ? `Chat, authenticated as ${visit.name}` : 'Chat, anonymous';
  if (!messages.children.length) say('shop', HELLO);
  if (!host.isConnected) document.body.append(host);
}

function clear() {
  messages.replaceChildren();
  owner = null;
  toggle(false);
}

function say(who, text) {
  const item = document.createElement('li');
  item.className = who;
  item.textContent = text;
  messages.append(item);
  messages.scrollTop = messages.scrollHeight;
}

function toggle(open) {
  panel.hidden = !open;
  bubble.setAttribute('aria-expanded', String(open));
  if (open) input.focus();
}

function closePanel() {
  toggle(false);
  bubble.focus();
}

bubble.addEventListener('click', () => toggle(panel.hidden));
find('.close').addEventListener('click', closePanel);
panel.addEventListener('keydown', ({ key }) => { if (key === 'Escape') closePanel(); });
find('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  say('visitor', text);
  say('shop', ANSWER);
  input.value = '';
});
