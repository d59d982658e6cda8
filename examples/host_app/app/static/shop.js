/** What the shop adds to Usher's client: a word about the chat, and the way out. */

const chat = document.querySelector('[data-chat]');
const signOutForm = document.querySelector('[data-sign-out]');

document.addEventListener('usher:outcome', ({ detail }) => {
  if (detail.activated) chat.textContent = 'Our chat is open, and knows that it is you.';
  else if (detail.code !== 'no-session') chat.textContent = `The chat is closed (${detail.code}).`;
});

// The shop's own sign-out ends the tokens. What is left to do is the visit at iAdvize.
signOutForm?.addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    const { signOut } = await import(document.body.dataset.usher);
    await signOut();
  } finally {
    signOutForm.submit();
  }
});
