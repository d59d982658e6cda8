"""What `usher doctor` finds, by what was looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from click.testing import CliRunner

from flask_usher.cli import main
from flask_usher.findings import Finding


@dataclass(frozen=True)
class Examination:
    """One run of the command."""

    exit_code: int
    printed: str
    families: dict[str, dict[str, Finding]]

    def __iter__(self) -> Iterator[Finding]:
        """Give all findings."""
        return (it for family in self.families.values() for it in family.values())

    def bad(self) -> dict[str, str]:
        """Return the verdicts of all that is not well, by what was looked at."""
        return {it.check: it.verdict for it in self if it.verdict != "ok"}


def examined(environment: dict[str, str], *arguments: str) -> Examination:
    """Run `usher doctor --json`; check what every run must be like."""
    result = CliRunner().invoke(main, ["doctor", "--json", *arguments], env=environment)
    assert result.exit_code in (0, 1), result.output
    body = json.loads(result.stdout)
    families: dict[str, dict[str, Finding]] = {}
    for entry in body["findings"]:
        family = families.setdefault(entry.pop("family"), {})
        found = Finding(**entry)
        assert found.check not in family, found.check
        assert bool(found.remedy) == (found.verdict != "ok"), found
        assert "this check has failed itself" not in found.found, found
        family[found.check] = found
    examination = Examination(result.exit_code, result.output, families)
    counts = {"ok": 0, "warning": 0, "fault": 0}
    for it in examination:
        counts[it.verdict] += 1
    assert body["counts"] == counts
    assert body["ok"] == (result.exit_code == 0)
    return examination
