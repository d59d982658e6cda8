"""Each alert fires when it should and not otherwise, as Prometheus itself decides it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from parts import ROOT
from support.prometheus import CONFIGURATION, RULES, alerts, promtool

pytestmark = pytest.mark.prometheus

DAY = 86400
HEALTHY = {
    "usher_up": "1x120",
    "usher_paused": "0x120",
    "usher_tokens_granted_total": "0+100x120",
    'usher_tokens_refused_total{code="no-session"}': "0+50x120",
    'usher_workers{host="a",release="1"}': "2x120",
    'usher_workers_disagree{on="policy"}': "0x120",
    'usher_workers_disagree{on="keys"}': "0x120",
    'usher_requests_total{route="/token",status="2xx"}': "0+100x120",
    'usher_requests_total{route="/token",status="5xx"}': "0x120",
    'usher_requests_total{route="/health/ready",status="5xx"}': "0x120",
    'usher_requests_total{route="/health/ready",status="2xx"}': "0+6x120",
    "usher_audit_lines_lost_total": "3x120",
    "usher_policy_reload_failures_total": "1x120",
    "usher_signing_key_created_timestamp_seconds": "0x120",
    'usher_request_duration_seconds_bucket{route="/token",le="0.1"}': "0+100x120",
    'usher_request_duration_seconds_bucket{route="/token",le="0.5"}': "0+100x120",
    'usher_request_duration_seconds_bucket{route="/token",le="+Inf"}': "0+100x120",
    'usher_dependency_failures_total{dependency="database"}': "2x120",
    "usher_limits_counted_alone_total": "9x120",
    'usher_activation_failures_total{reason="expired-token"}': "0+1x120",
}
"""Series, one value for each of 120 minutes, during which nothing is to be told."""
STOPPED = "0+100x90 9000x30"
FAULTS: dict[str, dict[str, str | None]] = {
    "UsherMetricsMissing": {"usher_up": "1x60 stale"},
    "UsherDatabaseUnavailable": {"usher_up": "1x100 0x20"},
    "UsherNoTokens": {"usher_tokens_granted_total": STOPPED},
    "UsherPaused": {"usher_paused": "0x10 1x110", "usher_tokens_granted_total": STOPPED},
    "UsherNoWorkers": {'usher_workers{host="a",release="1"}': "2x60 stale"},
    "UsherWorkersDisagree": {'usher_workers_disagree{on="keys"}': "0x100 1x20"},
    "UsherNotReady": {
        'usher_requests_total{route="/health/ready",status="5xx"}': "0x100 0+6x20"
    },
    "UsherAuditUnavailable": {"usher_audit_lines_lost_total": "3x116 3+5x4"},
    "UsherPolicyReloadFailed": {"usher_policy_reload_failures_total": "1x110 2x10"},
    "UsherSigningKeyOld": {"usher_signing_key_created_timestamp_seconds": f"{-365 * DAY}x120"},
    "UsherSlow": {'usher_request_duration_seconds_bucket{route="/token",le="0.1"}': "0+98x120"},
    "UsherErrors": {'usher_requests_total{route="/token",status="5xx"}': "0+2x120"},
    "UsherDependencyFailing": {
        'usher_dependency_failures_total{dependency="database"}': "2+10x120"
    },
    "UsherLimitsAlone": {"usher_limits_counted_alone_total": "9+1x120"},
    "UsherActivationsFail": {
        'usher_activation_failures_total{reason="invalid-key"}': "0+10x120"
    },
}
"""For each alert, what differs when it is to fire at the end of these two hours."""


def decided(folder: Path, tests: list[dict[str, Any]]) -> None:
    """Have promtool decide, with one value a minute."""
    file = folder / "tests.yml"
    file.write_text(
        yaml.safe_dump(
            {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
        )
    )
    promtool("test", "rules", file)


def at_the_end(changes: dict[str, str | None], *firing: str) -> dict[str, Any]:
    series = HEALTHY | changes
    return {
        "interval": "1m",
        "input_series": [{"series": it, "values": text} for it, text in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "119m",
                "exp_samples": [
                    {"labels": f'{{alertname="{it}"}}', "value": 1} for it in firing
                ],
            }
        ],
    }


def test_the_files_are_well_formed() -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("check", "config", CONFIGURATION)


def test_none_fires_while_all_is_well(tmp_path: Path) -> None:
    decided(tmp_path, [at_the_end({})])


def test_every_alert_has_its_case() -> None:
    assert FAULTS.keys() == alerts().keys()


@pytest.mark.parametrize("name", FAULTS)
def test_it_fires_alone(tmp_path: Path, name: str) -> None:
    decided(tmp_path, [at_the_end(FAULTS[name], name)])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {
                "usher_tokens_granted_total": "0+0.5x90 45x30",
                'usher_activation_failures_total{reason="expired-token"}': "0x120",
            },
            id="a-quiet-shop",
        ),
        pytest.param(
            {
                "usher_tokens_granted_total": STOPPED,
                'usher_tokens_refused_total{code="no-session"}': "0+50x90 4500x30",
                'usher_activation_failures_total{reason="expired-token"}': "0x120",
            },
            id="nobody-asks",
        ),
        pytest.param(
            {"usher_paused": "0x90 1x30", "usher_tokens_granted_total": STOPPED},
            id="a-short-pause",
        ),
        pytest.param({'usher_workers_disagree{on="policy"}': "0x119 1x1"}, id="a-roll-out"),
        pytest.param({"usher_audit_lines_lost_total": "0x50 7x70"}, id="lines-lost-before"),
        pytest.param(
            {"usher_limits_counted_alone_total": "0x50 7x70"}, id="alone-for-a-moment"
        ),
        pytest.param({"usher_up": "1x80 0x10 1x30"}, id="the-database-is-back"),
        pytest.param(
            {'usher_requests_total{route="/token",status="5xx"}': "0x60 1x60"}, id="one-error"
        ),
    ],
)
def test_what_is_no_reason_to_look(tmp_path: Path, changes: dict[str, str | None]) -> None:
    decided(tmp_path, [at_the_end(changes)])


@pytest.mark.parametrize("name", FAULTS)
def test_it_says_what_to_do(name: str) -> None:
    annotations = alerts()[name]["annotations"]
    assert set(annotations) == {"summary", "description", "runbook"}
    assert (ROOT / annotations["runbook"]).is_file()
    assert alerts()[name]["labels"]["severity"] in {"critical", "warning"}
    told = re.findall(r"^\| `(Usher\w+)` \|", (ROOT / "docs/monitoring.md").read_text(), re.M)
    assert name in told
