"""What became of the requests of a scenario, and whether that is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from faults.judge import Books, Judge, Verdict, compare
from faults.page_views import Asked

RECOVERY_SECONDS = 10.0
"""How soon after a fault everything is well again, at the latest."""
COLUMNS = (
    *("scenario", "requests", "tokens", "refused", "failed in the fault", "failed otherwise"),
    *("wrong", "without a line", "lines left over", "recovery", "p99 ÷ calm"),
)


@dataclass(slots=True)
class Fault:
    """When a fault was there, in seconds of `time.monotonic`."""

    began: float
    ended: float = float("inf")

    def meets(self, asked: Asked, grace: float = 0.0) -> bool:
        """Tell whether a request was under way while it was there, or shortly after."""
        return asked.started <= self.ended + grace and asked.ended >= self.began


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table."""

    name: str
    requests: int
    tokens: int
    refused: Counter[str]
    """With a reason code, while a fault was there or until all was well again."""
    inevitable: Counter[str]
    """No token and no reason, while a fault was there."""
    failed: Counter[str]
    """No token though nothing was wrong any more, or yet."""
    wrong: int
    books: Books
    recovery_seconds: float | None
    p99_ratio: float | None = None
    p99_limit: float | None = None
    ends: int = 0
    """How often a host ended by itself."""

    def broken(self, *, timed: bool) -> Iterator[str]:
        """Say what must not be; `timed` where the machine is quiet enough for times."""
        if self.requests == 0 or self.tokens == 0:
            yield "no token at all: nothing was tried"
        if self.failed:
            yield f"{self.failed.total()} failed without need ({counted(self.failed)})"
        if self.wrong:
            yield f"{self.wrong} wrong tokens"
        if self.books.unaudited:
            yield f"{self.books.unaudited} tokens without their audit line"
        if not timed:
            return
        if self.recovery_seconds is not None and self.recovery_seconds > RECOVERY_SECONDS:
            yield f"well again after {self.recovery_seconds:.1f} s only"
        if (self.p99_ratio or 0.0) > (self.p99_limit or float("inf")):
            yield f"p99 is {self.p99_ratio:.1f} times the calm one"


@dataclass(frozen=True, slots=True)
class Record:
    """What a scenario left behind."""

    asked: Sequence[Asked]
    faults: Sequence[Fault]
    by_design: frozenset[str] = field(default_factory=frozenset)
    """Codes that refuse by design in this scenario, fault or not."""
    p99_limit: float | None = None
    ends: int = 0


def judged(
    name: str, record: Record, judge: Judge, lines: Iterable[dict[str, object]]
) -> Result:
    """Look at every request and every token of a scenario."""
    delivered = [it for it in record.asked if it.token]
    verdicts = {id(it): judge.verdict(it) for it in delivered}
    refused: Counter[str] = Counter()
    inevitable: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    bad = []
    for asked in record.asked:
        if verdicts.get(id(asked)) in (Verdict.GOOD, Verdict.WRONG):
            continue
        what = _what(asked)
        if what in record.by_design:
            refused[what] += 1
            continue
        bad.append(asked)
        has_reason = bool(asked.code) and asked.status in (401, 403, 429, 503)
        grace = RECOVERY_SECONDS if has_reason else 0.0
        is_explained = any(it.meets(asked, grace) for it in record.faults)
        (refused if is_explained and has_reason else inevitable if is_explained else failed)[
            what
        ] += 1
    return Result(
        name,
        len(record.asked),
        len(delivered),
        refused,
        inevitable,
        failed,
        sum(it is Verdict.WRONG for it in verdicts.values()),
        compare(delivered, lines),
        recovery(bad, record.faults),
        p99_ratio(record),
        record.p99_limit,
        record.ends,
    )


def recovery(bad: Iterable[Asked], faults: Sequence[Fault]) -> float | None:
    """Return how long after the end of a fault a request was sent that got no token, at most.

    A request is put down to the last fault that ended before it was sent.
    """
    if not faults:
        return None
    ends = sorted(it.ended for it in faults)
    late = [
        asked.started - max(it for it in ends if it <= asked.started)
        for asked in bad
        if asked.started >= ends[0] and not any(it.meets(asked) for it in faults)
    ]
    return max(late, default=0.0)


def p99_ratio(record: Record) -> float | None:
    """Return the p99 of the tokens asked for in the faults ÷ that in the calm before them.

    Of the calm the second half counts: in the first one connections are opened.
    """
    if record.p99_limit is None:
        return None
    first = min(it.began for it in record.faults)
    warm = (min(it.started for it in record.asked) + first) / 2
    calm = [it.seconds for it in record.asked if it.token and warm < it.started < first]
    hard = [
        it.seconds
        for it in record.asked
        if it.token and any(fault.began <= it.started <= fault.ended for fault in record.faults)
    ]
    return percentile(hard, 99) / percentile(calm, 99)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def counted(counts: Counter[str]) -> str:
    """Return the counts in words, the greatest first."""
    return ", ".join(f"{count:,} {what}" for what, count in counts.most_common()) or "0"


def as_table(results: Iterable[Result]) -> str:
    """Return a Markdown table."""
    rows = [COLUMNS, *map(_cells, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _cells(result: Result) -> tuple[str, ...]:
    seconds, ratio = result.recovery_seconds, result.p99_ratio
    return (
        result.name,
        f"{result.requests:,}",
        f"{result.tokens:,}",
        counted(result.refused),
        counted(result.inevitable),
        counted(result.failed),
        str(result.wrong),
        str(result.books.unaudited),
        f"{result.books.undelivered:,}",
        "" if seconds is None else f"{seconds:.1f} s",
        "" if ratio is None else f"{ratio:.2f}",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(it.ljust(w) for it, w in zip(row, widths, strict=True)) + " |"


def _what(asked: Asked) -> str:
    if asked.token:
        return "out of time"
    return asked.code or f"{asked.status}"
