// Evaluates CEL expressions with `@bufbuild/cel`: JSON on stdin, JSON on stdout.
//
// In:  [{ expression, variables }, ...]   where { "$time": text } stands for a timestamp,
//      { "$double": number } for a double, and other numbers are integers
// Out: [true | false | "error" | "other", ...]
import { readFileSync } from 'node:fs';
import { celEnv, parse, plan } from '@bufbuild/cel';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';

const environment = celEnv();

function value(it, isTop = false) {
  if (Array.isArray(it)) return it.map((item) => value(item));
  if (typeof it === 'number') return BigInt(it);
  if (it === null || typeof it !== 'object') return it;
  if ('$time' in it) return timestampFromDate(new Date(it.$time));
  if ('$double' in it) return it.$double;
  const entries = Object.entries(it).map(([key, item]) => [key, value(item)]);
  return isTop ? Object.fromEntries(entries) : new Map(entries);
}

function judge({ expression, variables }) {
  const run = plan(environment, parse(expression));
  try {
    const found = run(value(variables, true));
    if (typeof found === 'boolean') return found;
    return found instanceof Error ? 'error' : 'other';
  } catch {
    return 'error';
  }
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(judge)));
