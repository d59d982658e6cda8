/**
 * The stand-in for the host's half of iAdvize's boxed-tag: makes `iAdvizeBoxedInterface`, and
 * tells the frame what is pushed to it, and the size of the window.
 *
 * For the demo page it also shows what happens in the frame as if it happened here.
 */
(() => {
  'use strict';

  const frame = document.getElementById('iAdvizeSandboxedIframe');
  const tell = (message) => frame.contentWindow.postMessage(message, '*');
  const tellSize = () => tell({ hostWidth: innerWidth, hostHeight: innerHeight });

  window.iAdvizeBoxedInterface = [{ method: 'navigate', args: [location.href] }];

  function begin() {
    const waiting = window.iAdvizeBoxedInterface;
    const push = ({ method, args }) => tell({ command: 'internals', method, args });
    window.iAdvizeBoxedInterface = Object.assign([], { push });
    waiting.forEach(push);
    tellSize();
    mirror();
  }

  function mirror() {
    const inside = frame.contentWindow.iAdvizeSandbox;
    const show = (detail) => document.dispatchEvent(new CustomEvent('iadvize-sandbox', { detail }));
    window.iAdvizeSandbox = inside;
    inside.timeline.forEach(show);
    frame.contentDocument.addEventListener('iadvize-sandbox', ({ detail }) => show(detail));
  }

  frame.addEventListener('load', begin);
  // The same address each time would not be loaded anew by going back.
  frame.src = `${frame.dataset.src}${location.search}`;
  window.addEventListener('resize', tellSize);
  window.addEventListener('message', ({ source, data }) => {
    if (source === frame.contentWindow && data?.open !== undefined) {
      frame.classList.toggle('open', data.open);
    }
  });
})();
