// The people whom the provider knows. Their names are their passwords: this is for tests.
const ACCOUNTS = [
  {
    sub: 'c0b7f2d1-6a43-4c58-9f0e-2f1d8e5a7b90',
    preferred_username: 'jane',
    name: 'Jane Doe',
    given_name: 'Jane',
    family_name: 'Doe',
    email: 'jane@shop.example',
    email_verified: true,
  },
  {
    sub: '5e94a8c6-0d27-4be1-8a39-b16c7f03d2e4',
    preferred_username: 'john',
    name: 'John Roe',
    given_name: 'John',
    family_name: 'Roe',
    email: 'john@shop.example',
    email_verified: true,
  },
];

// What the provider needs to know of an account; undefined if there is none.
export function account(id) {
  const claims = ACCOUNTS.find(({ sub }) => sub === id);
  return claims && { accountId: id, claims: async () => claims };
}

// The account's id, or undefined.
export function signIn(name, password) {
  const found = ACCOUNTS.find(({ preferred_username }) => preferred_username === name);
  return found && password === name ? found.sub : undefined;
}
