// What a brand may write against `usher.d.ts`, and what it may not.
import { activate, signOut, type Outcome } from 'usher.js';

const outcome: Outcome = await activate({ base: 'https://shop.example/usher/', timeout: 5_000 });
const elsewhere: string | undefined = await signOut({ base: new URL('https://shop.example/usher/') });
if (elsewhere) location.assign(elsewhere);

document.addEventListener('usher:outcome', ({ detail }) => console.log(detail.code?.length));
document.addEventListener('usher:ended', ({ detail }) => console.log(detail.reason));
document.addEventListener('usher:activating', ({ detail }) => console.log(detail.mode));
window.usher?.activate().then(({ status }) => status === 'activated');

// @ts-expect-error: an outcome never holds the token.
outcome.token;
// @ts-expect-error: milliseconds are a number.
activate({ timeout: '5 s' });
// @ts-expect-error: there is no such status.
outcome.status === 'fine';
