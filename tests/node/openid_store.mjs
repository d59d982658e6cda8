// Where the provider keeps things: in memory, shared by all providers of this process.
const records = new Map();

function forget(model, matches) {
  for (const [key, { payload }] of records) {
    if (key.startsWith(`${model}:`) && matches(payload)) records.delete(key);
  }
}

export function forgetAll(model) {
  forget(model, () => true);
}

export class MemoryStore {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload, expiresIn) {
    const expiresAt = expiresIn ? Date.now() + expiresIn * 1000 : Infinity;
    records.set(`${this.model}:${id}`, { payload, expiresAt });
  }

  async find(id) {
    const record = records.get(`${this.model}:${id}`);
    return record && Date.now() < record.expiresAt ? record.payload : undefined;
  }

  async findByUid(uid) {
    for (const [key, { payload }] of records) {
      if (key.startsWith(`${this.model}:`) && payload.uid === uid) return payload;
    }
    return undefined;
  }

  async consume(id) {
    const record = records.get(`${this.model}:${id}`);
    if (record) record.payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    records.delete(`${this.model}:${id}`);
  }

  async revokeByGrantId(grantId) {
    forget(this.model, (payload) => payload.grantId === grantId);
  }
}
