"""The operator's page: what became of tokens, and the state of the service.

Registered only where the settings have the table `[operator]`; elsewhere there is nothing at
these addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response, request, url_for

from ..errors import Code, Rejected, UsherError
from ..key_rotation import KeyRing
from ..outcomes.figures import Series, last_failures, series
from ..outcomes.rows import as_csv, cells
from ..outcomes.tables import DAY, HOUR, MINUTE, Event, Failure
from ..state import State, current_state
from ..timestamps import timestamp
from ..workers import Worker, seen
from .charts import Chart, bars, lines, time_label
from .health import checks, provider_checks
from .pages import render
from .problems import as_page, on_record
from .session import Visitor, load_visitor
from .sign_in import see_other
from .visits import current_visit

blueprint = Blueprint("usher_operator", "flask_usher")
PERIODS = {"1h": (HOUR, "1 hour"), "1d": (DAY, "1 day"), "7d": (7 * DAY, "7 days"),
           "90d": (90 * DAY, "90 days")}  # fmt: skip
DEFAULT_PERIOD = "1d"
FAILURES_SHOWN = 50
HEADINGS = ("Granted", "Refused", "Activated", "Anonymous", "Failed", "No answer",
            "Median to chat, ms", "Median life left, s")  # fmt: skip
WHAT = {
    Event.FAILED: "iAdvize said no",
    Event.REFUSAL_SEEN: "refused",
    Event.ERROR: "no answer",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing about the service; `verdict` is `good`, `bad` or nothing."""

    name: str
    text: str
    verdict: str = ""


@blueprint.get("/operator")
@as_page
def operator_page() -> Response:
    """Show the page to an operator; send on to the sign-in page who is nobody yet."""
    state = current_state()
    visitor = _operator(state)
    if visitor is None:
        return see_other(url_for("usher.sign_in_page", next=_own_address()))
    state.audit.write("operator", "opened", current_visit(), identity=visitor.identity)
    period = _period()
    found = _series(state, period)
    page = render(
        "usher/operator.html",
        site=state.settings.public_host,
        now=timestamp(state.clock()),
        period=period,
        periods={name: (url_for(".operator_page", period=name), text)
                 for name, (_, text) in PERIODS.items()},
        csv=url_for(".operator_csv", period=period),
        style=url_for("usher.static", filename="operator.css"),
        whole=found.whole,
        granted=found.whole.total(Event.GRANTED),
        Event=Event,
        charts=_charts(found),
        step=_duration(found.step),
        headings=HEADINGS,
        rows=[(_row_label(start, found.step), cells(figures)) for start, figures in found],
        failures=[_failure(it) for it in last_failures(state.database, FAILURES_SHOWN)],
        facts=_facts(state),
    )  # fmt: skip
    return Response(page)


@blueprint.get("/operator/outcomes.csv")
@as_page
def operator_csv() -> Response:
    """Answer with the same numbers for spreadsheets."""
    state = current_state()
    visitor = _operator(state)
    if visitor is None:
        return see_other(url_for("usher.sign_in_page", next=_own_address()))
    state.audit.write("operator", "downloaded", current_visit(), identity=visitor.identity)
    response = Response(as_csv(_series(state, _period())), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="outcomes.csv"'
    return response


def _operator(state: State) -> Visitor | None:
    """Return who is signed in, as the provider knows them now. Raises `Rejected`."""
    visitor = load_visitor()
    settings = state.settings.operator
    if visitor is not None and (
        settings is None or settings.group not in visitor.identity.groups
    ):
        with on_record("operator"):
            raise Rejected(Code.OPERATORS_ONLY)
    return visitor


def _own_address() -> str:
    return url_for(".operator_page", period=_period())


def _period() -> str:
    given = request.args.get("period", "")
    return given if given in PERIODS else DEFAULT_PERIOD


def _series(state: State, period: str) -> Series:
    now = state.clock()
    return series(state.database, now - PERIODS[period][0], now)


def _charts(found: Series) -> list[Chart]:
    starts, step, whole = found.starts, found.step, found.whole
    steps = [figures for _, figures in found]

    def count(event: Event) -> list[int]:
        return [it.total(event) for it in steps]

    def by_label(event: Event) -> dict[str, list[int]]:
        return {label: [it.of(event)[label] for it in steps] for label in whole.of(event)}

    def middle(event: Event, unit: str) -> tuple[list[float | None], str]:
        value = whole.median(event)
        said = "nothing measured" if value is None else f"{value:,.0f} {unit}"
        return [it.median(event) for it in steps], said

    granted = count(Event.GRANTED), f"{whole.total(Event.GRANTED):,}"
    activated = [it.activated for it in steps], f"{whole.activated:,}"
    used = {"granted": granted, "activated": activated} if whole.counts else {}
    took = {"median": middle(Event.ACTIVATED_MS, "ms")}
    life = {"median": middle(Event.TOKEN_LIFE, "s")}
    return [
        lines("Tokens granted and chats activated", starts, step, used),
        bars("Refused, by code", starts, step, by_label(Event.REFUSED)),
        bars("Failed at iAdvize, by reason", starts, step, by_label(Event.FAILED)),
        bars("Pages without an answer, by code", starts, step, by_label(Event.ERROR)),
        lines("From page to active chat, ms", starts, step, took),
        lines("Life left of tokens on arrival, s", starts, step, life),
    ]


def _row_label(start: int, step: int) -> str:
    day = datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%d")
    return day if step >= DAY else f"{day} {time_label(start, 0)}"


def _duration(seconds: int) -> str:
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            count = seconds // unit
            return f"{count} {name}s" if count > 1 else f"a {name}"
    return f"{seconds} s"


def _failure(failure: Failure) -> tuple[str, ...]:
    when = timestamp(failure.time).replace("T", " ").rstrip("Z")
    return when, failure.support_id, WHAT[failure.event], failure.label, failure.mode


def _facts(state: State) -> list[Fact]:
    settings, admission = state.settings, state.admission
    pause = admission.pauses.current()
    facts = [
        Fact("tokens", "are issued", "good")
        if pause is None
        else Fact("tokens", f"paused since {timestamp(pause.since)}: {pause.message}", "bad")
    ]
    facts += [_checked(name, verdict) for name, verdict in checks(state).items()]
    facts += [
        _checked(f"provider {name}", verdict)
        for name, verdict in provider_checks(state).items()
    ]
    policy = admission.policies
    facts += [
        Fact("providers", ", ".join(state.providers)),
        Fact("policy version", policy.current().version),
        *_key_facts(admission.key_ring),
        Fact("life of a token", f"{settings.token.lifetime_seconds} s"),
        Fact("limits count", "in Redis, together" if settings.redis else "in each process"),
    ]
    facts += [_worker(it) for it in seen(state.database)]
    if policy.fault is not None:
        facts.append(Fact("new policy", "has faults: usher policy test", "bad"))
    if settings.sandbox is not None:
        facts.append(Fact("sandbox", "on: no real iAdvize", "bad"))
    return facts


def _worker(worker: Worker) -> Fact:
    standing = worker.standing
    told = f"release {worker.release}, policy {standing.policy}, key {standing.signing_key}"
    return Fact(f"worker {worker.host} {worker.process}", told)


def _key_facts(key_ring: KeyRing) -> list[Fact]:
    try:
        minter = key_ring.minter()
    except UsherError as error:
        return [Fact("keys", error.reason or error.code, "bad")]
    return [
        Fact("signing key", minter.signing_key.fingerprint),
        Fact("recipient key", minter.recipient_key.fingerprint),
    ]


def _checked(name: str, verdict: str) -> Fact:
    return Fact(name, verdict, "good" if verdict == "ok" else "bad")
