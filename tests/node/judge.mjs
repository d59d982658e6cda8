// Opens nested tokens with `jose`: JSON on stdin, JSON on stdout.
//
// In:  { recipientKey, signingKey, issuer, now, tokens: [...] }   (PEM, seconds since 1970)
// Out: [{ outerHeader, innerHeader, claims } | { error }, ...]
import { readFileSync } from 'node:fs';
import { compactDecrypt, importPKCS8, importSPKI, jwtVerify } from 'jose';

const input = JSON.parse(readFileSync(0, 'utf8'));
const recipientKey = await importPKCS8(input.recipientKey, 'RSA-OAEP-256');
const signingKey = await importSPKI(input.signingKey, 'RS256');

async function open(token) {
  const outer = await compactDecrypt(token, recipientKey, {
    keyManagementAlgorithms: ['RSA-OAEP-256'],
    contentEncryptionAlgorithms: ['A256GCM'],
  });
  const inner = await jwtVerify(new TextDecoder().decode(outer.plaintext), signingKey, {
    algorithms: ['RS256'],
    issuer: input.issuer,
    requiredClaims: ['exp', 'https://iadvize.com/userId'],
    currentDate: new Date(input.now * 1000),
  });
  return {
    outerHeader: outer.protectedHeader,
    innerHeader: inner.protectedHeader,
    claims: inner.payload,
  };
}

const answers = await Promise.all(
  input.tokens.map((token) => open(token).catch((error) => ({ error: `${error}` }))),
);
process.stdout.write(JSON.stringify(answers));
