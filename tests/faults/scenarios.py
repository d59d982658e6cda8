"""All scenarios, in the order in which they are played."""

from __future__ import annotations

from faults import changes, crashes, stores, strangers
from faults.trial import Scenario

SCENARIOS = (
    Scenario("workers-killed", crashes.workers_killed),
    Scenario("host-killed", crashes.host_killed),
    Scenario("redis-killed", crashes.redis_killed),
    Scenario("redis-frozen", crashes.redis_frozen),
    Scenario("postgresql-killed", crashes.postgresql_killed),
    Scenario("postgresql-slow", stores.postgresql_slow),
    Scenario("postgresql-dead", stores.postgresql_dead),
    Scenario("postgresql-read-only", stores.postgresql_read_only),
    Scenario("disk-full", stores.disk_full),
    Scenario("clock-jumps", stores.clock_jumps),
    Scenario("slowloris", strangers.slowloris),
    Scenario("idle-connections", strangers.idle),
    Scenario("garbage", strangers.garbage),
    Scenario("sign-outs", changes.sign_outs, guests=20),
    Scenario("policy-changes", changes.policy_changes),
    Scenario("reloads", changes.reloads),
    Scenario("key-rotations", changes.key_rotations),
)
