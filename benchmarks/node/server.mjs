// The peer: what a careful Node.js developer would write for POST /usher/token, and no more.
// Same database, same cookie check, same claims, same audit line as Usher.
import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { openSync, readFileSync, writeSync } from 'node:fs';
import Database from 'better-sqlite3';
import Fastify from 'fastify';
import { CompactEncrypt, SignJWT, importPKCS8, importSPKI } from 'jose';

const given = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const signingKey = await importPKCS8(readFileSync(given.signingKey, 'utf8'), 'RS256');
const recipientKey = await importSPKI(readFileSync(given.recipientKey, 'utf8'), 'RSA-OAEP-256');

const secret = readFileSync(given.secretKey, 'utf8').trim();
const derive = (purpose) => Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
const cookieKey = derive('usher sign-in cookie');
const subjectKey = derive('usher audit subject');

const database = new Database(given.database);
database.pragma('journal_mode = WAL');
const findSignIn = database.prepare(
  'SELECT provider, subject, identity, signed_in_at, last_seen_at, expires_at FROM usher_sign_ins WHERE id = ?',
);
const noteVisit = database.prepare('UPDATE usher_sign_ins SET last_seen_at = ? WHERE id = ?');
const findAccount = database.prepare(
  'SELECT id, name, active, epoch, claims, "groups" FROM usher_accounts WHERE id = ?',
);

const COOKIE = /(?:^|;\s*)usher=([A-Za-z0-9_-]{43})(?:;|$)/;
const CLIENT = /^[A-Za-z0-9][A-Za-z0-9._/ -]{0,63}$/;
const audit = openSync(given.auditFile, 'a', 0o600);
const counts = new Map();
let window = 0;

function identify(cookie) {
  const value = COOKIE.exec(cookie ?? '')?.[1];
  if (!value) return null;
  const id = createHmac('sha256', cookieKey).update(value).digest('hex');
  const row = findSignIn.get(id);
  const now = Date.now() / 1000;
  if (!row || now >= Math.min(row.last_seen_at + given.idleSeconds, row.expires_at)) return null;
  if (now - row.last_seen_at >= 60) noteVisit.run(now, id);
  const { provider, subject } = row;
  // The rest of the record is an array: version, signed_in_at, claims, groups, acr, amr, epoch.
  const [version, , , , , , epoch] = JSON.parse(row.identity);
  if (version !== 1) return null;
  const account = findAccount.get(subject);
  if (!account?.active || account.epoch !== epoch) return null;
  JSON.parse(account.claims);
  JSON.parse(account.groups);
  return `${provider}:${account.id}`;
}

function isOverLimit(userId) {
  const current = Math.floor(Date.now() / 1000);
  if (current !== window) {
    counts.clear();
    window = current;
  }
  const count = (counts.get(userId) ?? 0) + 1;
  counts.set(userId, count);
  return count > 9_999_999;
}

async function mint(userId, expiresAt) {
  const inner = await new SignJWT({ 'https://iadvize.com/userId': userId })
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(given.issuer)
    .setExpirationTime(expiresAt)
    .sign(signingKey);
  return new CompactEncrypt(Buffer.from(inner))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', cty: 'JWT' })
    .encrypt(recipientKey);
}

function record(request, code, supportId, userId, token) {
  const line = {
    time: new Date().toISOString(),
    event: 'token',
    code,
    support_id: supportId,
    address: request.ip,
    site: request.headers.origin,
  };
  if (userId) {
    line.provider = userId.slice(0, userId.indexOf(':'));
    line.subject = createHmac('sha256', subjectKey).update(userId).digest('hex').slice(0, 32);
  }
  if (token) line.token_sha256 = createHash('sha256').update(token).digest('hex');
  writeSync(audit, `${JSON.stringify(line)}\n`);
}

const app = Fastify({ bodyLimit: 16 * 1024 });

app.addHook('onSend', async (request, reply) => {
  reply.headers({
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'same-origin',
    Vary: 'Origin, Cookie',
    'X-Content-Type-Options': 'nosniff',
  });
  if (request.headers.origin === given.origin) {
    reply.headers({
      'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Allow-Origin': given.origin,
      'Access-Control-Expose-Headers': 'Retry-After',
    });
  }
});

app.get('/usher/health/ready', async () => ({ status: 'ready' }));

app.post('/usher/token', async (request, reply) => {
  const { headers, body } = request;
  const supportId = randomBytes(7).toString('hex');
  const refuse = (status, code) => {
    record(request, code, supportId);
    return reply.code(status).type('application/problem+json').send({ status, code });
  };
  if (headers.origin !== given.origin) return refuse(403, 'cross-origin');
  if (!CLIENT.test(headers['x-usher-client'] ?? '')) return refuse(403, 'client-header-required');
  if (typeof body !== 'object' || Object.keys(body).length) return refuse(400, 'malformed-request');
  const userId = identify(headers.cookie);
  if (!userId) return refuse(401, 'no-session');
  if (isOverLimit(userId)) return refuse(429, 'too-many-requests');
  const expiresAt = Math.floor(Date.now() / 1000) + given.lifetimeSeconds;
  const token = await mint(userId, expiresAt);
  record(request, 'issued', supportId, userId, token);
  return { token, expires_at: expiresAt, expires_in: given.lifetimeSeconds };
});

await app.listen({ host: '127.0.0.1', port: given.port });
