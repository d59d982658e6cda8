"""Counters in Redis, which all processes and hosts share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from limits.storage import RedisStorage
from redis import RedisError

from ..keys import Secret
from ..settings import RedisSettings
from .counters import Taken, Tally, Window
from .redis_client import connections

# One step for all counters, so that nobody counts in between; ARGV holds the amount and the
# seconds of each. A counter without an end, which nothing here makes, is given one.
TAKE = """
local counts, granted = {}, 1
for i, key in ipairs(KEYS) do
  counts[i] = tonumber(redis.call('GET', key) or '0')
  if counts[i] >= tonumber(ARGV[2 * i - 1]) then granted = 0 end
end
local answer = {granted}
for i, key in ipairs(KEYS) do
  if granted == 1 then counts[i] = redis.call('INCR', key) end
  local left = redis.call('PTTL', key)
  if left == -1 then
    left = 1000 * ARGV[2 * i]
    redis.call('PEXPIRE', key, left)
  end
  answer[2 * i] = counts[i]
  answer[2 * i + 1] = left
end
return answer
"""
GIVE_BACK = """
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') > 0 then redis.call('DECR', key) end
end
"""
KEY_BYTES = 16
# More than anybody can count in the second that the counter lives.
PROBES = 10**9


class RedisCounters(RedisStorage):
    """The Redis storage of the library `limits`, with several quotas counted in one step.

    The keys are keyed hashes: whoever reads the database learns no names and no addresses, and
    installations with secrets of their own do not disturb each other.
    """

    # Or every `limits` in this process would store with this class.
    STORAGE_SCHEME = None  # type: ignore[assignment]
    failures = (RedisError,)

    def __init__(self, settings: RedisSettings, secret: Secret) -> None:
        pool = connections(settings)
        super().__init__("redis://", connection_pool=pool, key_prefix="usher:limits")
        self._connections = pool
        self._key = secret.derive("limits")
        self._take = self.get_connection().register_script(TAKE.encode())
        self._give_back = self.get_connection().register_script(GIVE_BACK.encode())

    def take(self, tallies: Sequence[Tally]) -> Taken:
        """Count one on each quota, or on none."""
        sizes = [size for it, _ in tallies for size in (it.together, it.seconds)]
        granted, *answer = self._take(self._keys(tallies), sizes)
        windows = [
            Window(max(0, quota.together - count), max(0, milliseconds) / 1000)
            for (quota, _), count, milliseconds in zip(
                tallies, answer[::2], answer[1::2], strict=True
            )
        ]
        return Taken(bool(granted), windows)

    def give_back(self, tallies: Sequence[Tally]) -> None:
        """Undo a count of each."""
        self._give_back(self._keys(tallies))

    def are_degraded(self) -> bool:
        """Tell that they are where they should be, unless Redis does not count."""
        # A server without memory, or a read-only one, answers a PING.
        self._take([self.prefixed_key("probe")], [PROBES, 1])
        return False

    def reconnect(self) -> None:
        """Drop the connections at rest: their server may no longer be the right one."""
        self._connections.disconnect(inuse_connections=False)

    def _keys(self, tallies: Sequence[Tally]) -> list[str]:
        return [self.prefixed_key(self._hashed(key)) for _, key in tallies]

    def _hashed(self, key: str) -> str:
        text = key.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=KEY_BYTES).hexdigest()
