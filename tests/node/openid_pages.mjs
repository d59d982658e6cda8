// The pages of the provider, as plain as can be.
const STYLE = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { display: grid; place-content: center; min-height: 100vh; margin: 0; }
  main { width: min(22rem, 90vw); }
  label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit; }
  input, button { margin: 0 0 1rem; padding: 0.5rem; }
  .error { color: light-dark(#a00000, #ff9b9b); }
  small { opacity: 0.75; }`;

function text(value) {
  return `${value}`.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function page(title, content) {
  return `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
<style>${STYLE}</style>
<main>
<h1>${text(title)}</h1>
${content}
</main>
</html>
`;
}

export function signInPage({ params }, fault = '') {
  return page(
    'Sign in',
    `<p>to go on to <b>${text(params.client_id)}</b></p>
<p class="error" role="alert">${text(fault)}</p>
<form method="post">
<label>Name <input name="name" autocomplete="username" autofocus required></label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required></label>
<button name="choice" value="sign-in">Sign in</button>
<button name="choice" value="refuse" formnovalidate>Cancel</button>
</form>
<p><small>This provider is for trying things out: jane's password is jane, john's is john.</small></p>`,
  );
}

export function consentPage({ params, prompt }) {
  const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details;
  const scopes = [...missingOIDCScope, ...Object.values(missingResourceScopes).flat()];
  return page(
    'Do you agree?',
    `<p><b>${text(params.client_id)}</b> asks for: ${text(scopes.join(', ') || 'your name')}</p>
<form method="post">
<button name="choice" value="allow" autofocus>Allow</button>
<button name="choice" value="refuse">Refuse</button>
</form>`,
  );
}

export function logoutPage(form) {
  return page(
    'Sign out?',
    `${form}
<button form="op.logoutForm" name="logout" value="yes" autofocus>Sign out</button>
<button form="op.logoutForm">Stay signed in</button>`,
  );
}

export function partedPage() {
  return page('Signed out', '<p>You may close this page.</p>');
}

export function errorPage({ error, error_description: description }) {
  return page('That did not work', `<p>${text(error)}: ${text(description ?? '')}</p>`);
}
