"""Those who serve, on all hosts: do they agree with each other, and with these settings?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from ..errors import UsherError
from ..findings import Finding, fault, ok, warning
from ..pauses import Pause
from ..workers import ROLL_OUT_SECONDS, Difference, Worker, differences, seen
from .subject import Subject

RELOAD = "Reload the service there: systemctl reload usher"
LONGEST_LIST = 6


def worker_findings(subject: Subject) -> Iterator[Finding]:
    """Judge who was seen in the last seconds."""
    known = _known(subject)
    if known is None:
        yield warning(
            "workers",
            "not known",
            "They tell of themselves in the database, which gives no answer.",
            "Mend the database first.",
        )
        return
    workers, pause = known
    if pause is not None:
        yield _paused(pause)
    if not workers:
        yield warning(
            "workers",
            "none was seen in the last seconds",
            "Nobody gets a token from who does not serve.",
            "Start the service, and see its log: journalctl -u usher",
        )
        return
    hosts = Counter(it.host for it in workers)
    yield ok("workers", ", ".join(f"{number} on {host}" for host, number in hosts.items()))
    yield _agreement(Difference.POLICY, workers, lambda it: f"policy {it.standing.policy}")
    yield _agreement(Difference.KEYS, workers, _keys)
    yield _releases(workers)
    yield from _out_of_date(subject, workers)


def _known(subject: Subject) -> tuple[tuple[Worker, ...], Pause | None] | None:
    database = subject.state.database
    if not database.may_exist():
        return None
    try:
        return seen(database), subject.state.admission.pauses.current()
    except UsherError:
        return None


def _paused(pause: Pause) -> Finding:
    since = datetime.fromtimestamp(pause.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return warning(
        "pause",
        f"tokens are paused since {since}: {pause.message or 'no reason given'}",
        "Nobody gets a token.",
        "When the reason is gone: usher resume",
    )


def _agreement(
    difference: Difference, workers: tuple[Worker, ...], tell: Callable[[Worker], str]
) -> Finding:
    check = f"same {difference}"
    if difference not in differences(workers, 0):
        return ok(check, f"on all {len(workers)}" if len(workers) > 1 else "there is only one")
    found = "; ".join(
        f"{text} on {_names(workers, tell, text)}" for text in sorted(set(map(tell, workers)))
    )
    if difference not in differences(workers):
        return warning(
            check,
            found,
            "A change may be on its way to all of them.",
            f"Run this command again in {ROLL_OUT_SECONDS} seconds.",
        )
    return fault(
        check,
        found,
        "What a visitor gets depends on which worker answers.",
        f"Put the same settings, policy and keys on all hosts. {RELOAD}",
    )


def _keys(worker: Worker) -> str:
    signing_key = worker.standing.signing_key
    others = sorted(worker.standing.keys - {signing_key})
    return f"key {signing_key}, beside {' and '.join(others) or 'no other'}"


def _releases(workers: tuple[Worker, ...]) -> Finding:
    releases = sorted({it.release for it in workers})
    if len(releases) == 1:
        return ok("same release", releases[0])
    return warning(
        "same release",
        "; ".join(
            f"{it} on {_names(workers, lambda worker: worker.release, it)}" for it in releases
        ),
        "Two releases serve together during an upgrade, and no longer.",
        f"Install the newer one on all hosts. {RELOAD}",
    )


def _out_of_date(subject: Subject, workers: tuple[Worker, ...]) -> Iterator[Finding]:
    try:
        own = subject.state.admission.key_ring.minter().signing_key.fingerprint
    except UsherError:
        own = "none that is in force"
    policy = subject.state.admission.policies.current().version
    for name, of_settings, in_force in (
        ("policy", policy, {it.standing.policy for it in workers}),
        ("signing key", own, {it.standing.signing_key for it in workers}),
    ):
        if of_settings not in in_force:
            yield warning(
                f"{name} in force",
                f"{', '.join(sorted(in_force))}; these settings have {of_settings}",
                "The settings that were examined here are not those that serve.",
                f"{RELOAD}, or give this command the settings that it has.",
            )


def _names(workers: tuple[Worker, ...], tell: Callable[[Worker], str], text: str) -> str:
    names = [f"{it.host} {it.process}" for it in workers if tell(it) == text]
    more = len(names) - LONGEST_LIST
    return ", ".join(names[:LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")
