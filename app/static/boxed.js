/**
 * For pages that keep iAdvize's tag in an iframe with iAdvize's boxed-tag: puts a tag into the page
 * that passes everything on to the frame, so that `usher.js` need not know. Put it before the boxed-tag
 * and usher.js.
 *
 *   <script type="module" src="/usher/static/boxed.js" data-frame="iAdvizeSandboxedIframe"></script>
 *
 * The frame takes the first message after it has asked for a token for the answer, whatever it
 * is. So from its question to our answer nothing else is said to it: not by others on the page,
 * whose messages wait, nor by the boxed-tag, which tells the frame of each resize.
 */

/** @typedef {{ method: string, args?: unknown }} Message */

const FRAME = 'iAdvizeSandboxedIframe';
const WAIT_MS = 50;
const FRESH_MS = 5_000;

const own = [...document.scripts].find((it) => it.src === import.meta.url);
const frameId = own?.dataset.frame ?? FRAME;

/** @type {TokenFunction | null} */
let option = null;
/** What `activate` was given to begin with, until the frame asks. @type {{ token?: string, until: number } | null} */
let first = null;
/** Calls that wait for their results, in the order in which the frame answers. @type {Record<string, ((result: any) => void)[]>} */
const calls = { activate: [], logout: [] };
/** Whether the frame waits for a token, and whether it has missed a resize meanwhile. */
let isHolding = false;
let isResized = false;

const iAdvize = Object.freeze({
  /** @param {TokenFunction} given */
  async activate(given) {
    await isReady();
    option = given;
    const { authenticationOption } = await given();
    const { type, token } = authenticationOption ?? {};
    first = { token, until: performance.now() + FRESH_MS };
    return call('activate', { authenticationOption: { type } });
  },
  async logout() {
    // Before the first activation there is nothing in the frame that could end.
    if (option) await call('logout');
  },
});

/**
 * The boxed-tag gives its queue a `push` of its own when the frame has loaded, sends what waits in
 * it, and then the size of the window, which the frame would take for our first token.
 */
async function isReady() {
  while (!Object.hasOwn(window.iAdvizeBoxedInterface ?? {}, 'push')) {
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
}

/** @param {'activate' | 'logout'} method @param {unknown} [args] @returns {Promise<any>} */
function call(method, args) {
  window.iAdvizeBoxedInterface?.push({ method, args });
  return new Promise((resolve) => calls[method].push(resolve));
}

/** @param {MessageEvent} event */
function isOurs({ source, origin }) {
  const frame = document.getElementById(frameId);
  if (!(frame instanceof HTMLIFrameElement) || source !== frame.contentWindow) return false;
  const isOpaque = frame.sandbox.length > 0 && !frame.sandbox.contains('allow-same-origin');
  return origin === (isOpaque ? 'null' : new URL(frame.src, document.baseURI).origin);
}

/** @returns {Promise<string | null>} */
async function nextToken() {
  const given = first;
  first = null;
  if (given && performance.now() < given.until) return given.token ?? null;
  return (await option?.())?.authenticationOption?.token ?? null;
}

/** Answer the frame's question; `null` where there is no token, so that it does not wait for ever. */
async function answer() {
  const box = window.iAdvizeBoxedInterface;
  if (!box || isHolding) return;
  const { push } = box;
  /** @type {Message[]} */
  const held = [];
  isHolding = true;
  box.push = (message) => held.push(message);
  const token = await nextToken().catch(() => null);
  isHolding = false;
  box.push = push;
  box.push({ method: 'set-activate-auth-token', args: token });
  for (const message of held) box.push(message);
  if (isResized) dispatchEvent(new Event('resize'));
  isResized = false;
}

// Listeners on the window are called in the order in which they came, hence the place before the
// boxed-tag, whose own would be called first.
addEventListener('resize', (event) => {
  if (!isHolding) return;
  event.stopImmediatePropagation();
  isResized = true;
});

addEventListener('message', (event) => {
  const { method, activation } = Object(event.data);
  if (!isOurs(event)) return;
  if (method === 'get-activate-auth-token') answer();
  if (method === 'activate') calls.activate.shift()?.(activation);
  if (method === 'logout') calls.logout.shift()?.(undefined);
});

const waiting = /** @type {any} */ (window.iAdvizeInterface ?? []);
window.iAdvizeInterface = { push: (use) => use(iAdvize) };
for (const use of waiting) use(iAdvize);
