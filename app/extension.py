"""The Flask extension: the only place where the parts are wired."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask

from flask_usher.providers.base import Identity, RequestProvider, Resources

from . import configuration
from .admission import Admission
from .audit import AuditLog, Observer
from .audit.sinks import FileSink, Sink, StreamSink, SyslogSink
from .authentication import Authentication
from .background import Background, Job
from .configuration import PolicySource
from .database import Database
from .errors import UsherError
from .host_identity import flask_login_identity
from .key_rotation import KeyRing
from .limits import Limits, make_counters
from .minter import Minter
from .outcomes.meters import Meters
from .outcomes.recorder import Outcomes
from .outcomes.tables import Meter
from .pauses import Pauses
from .policy import AppRules, Policies, Policy, Rule
from .presence import Presence
from .recent_failures import RecentFailures
from .registry import make_providers
from .self_test import self_test
from .settings import AuditSettings, Settings
from .sign_ins import SignIns
from .signals import Signals
from .state import EXTENSION, State
from .support_ids import SupportIds
from .user_ids import derivation
from .views.blueprint import blueprint
from .views.guard import Guard
from .views.request_meter import RequestMeter
from .views.session import VisitorManager
from .visitor_keys import VisitorKeys
from .workers import Standing

if TYPE_CHECKING:
    from .spans import Spans

STDOUT, STDERR = 1, 2
Identify = Callable[[], Identity | None]


class Usher:
    """Puts Usher on a Flask app.

    The settings come from `app.config["USHER"]` (a mapping, or the path of a TOML file), else
    from the file that `USHER_SETTINGS` names. `rules` are policy rules of the app's own;
    `identify` says who is signed in to the app, for a provider with `type = "host"`: when
    absent, that is Flask-Login's `current_user`. `clock` gives seconds since the epoch; `spans`
    makes spans of the stages of decisions.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        rules: tuple[Rule, ...] = (),
        identify: Identify | None = None,
        clock: Callable[[], float] = time.time,
        spans: Spans | None = None,
    ) -> None:
        self._rules = rules
        self._spans = spans
        self._identify = identify
        self._clock = clock
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Wire everything and register the routes.

        Flask-Login's `current_user` is the visitor, unless the app has a login manager already.
        Raises `SettingsError` with all faults, and `RuntimeError` on a second call for one app.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError("Usher is already on this app")
        has_login_manager = hasattr(app, "login_manager")
        config = app.config.get("USHER")
        state = build(
            configuration.load(config),
            clock=self._clock,
            policy_source=PolicySource(config),
            rules=self._rules,
            identify=self._identify or (flask_login_identity if has_login_manager else None),
            observer=Signals(app),
            spans=self._spans,
        )
        app.extensions[EXTENSION] = state
        prefix = state.settings.url_prefix
        app.register_blueprint(blueprint, url_prefix=prefix)
        if state.settings.sandbox is not None:
            from .sandbox.views import blueprint as sandbox_blueprint

            app.register_blueprint(sandbox_blueprint, url_prefix=prefix + "/sandbox")
        if state.settings.operator is not None:
            from .views.operator import blueprint as operator_blueprint

            app.register_blueprint(operator_blueprint, url_prefix=prefix)
        # The first to see a request is the last to see its answer.
        RequestMeter(state).install(app)
        app.before_request(state.background.start)
        Guard(state).install(app)
        if not has_login_manager:
            VisitorManager().init_app(app)


def build(
    settings: Settings,
    *,
    clock: Callable[[], float] = time.time,
    rules: tuple[Rule, ...] = (),
    identify: Identify | None = None,
    console: int = STDOUT,
    policy_source: PolicySource | None = None,
    observer: Observer | None = None,
    spans: Spans | None = None,
) -> State:
    """Return the wired parts for these settings, without any Flask app.

    `console` is the descriptor that takes the audit lines when the settings name no other
    place; `observer` learns of each decision after its line. `policy_source` is where the
    policy is read again when it changes; `spans` makes spans of stages.
    Raises `SettingsError` when the keys fail their test.
    """
    token = settings.token
    meters = Meters()
    database = Database(settings.database.url, meters.dependency("database"))
    if spans is not None:
        spans.follow_engines(*database.engines)
    outcomes = Outcomes(database, clock, meters, settings.providers.keys())
    audit = AuditLog(
        _audit_sink(settings.audit, console),
        settings.secret_key,
        clock,
        best_effort=settings.audit.when_unavailable == "count",
        observers=(outcomes,) if observer is None else (outcomes, observer),
        lost=lambda: meters.count(Meter.LINE_LOST),
    )
    counters = make_counters(
        settings.redis,
        settings.secret_key,
        clock,
        meters.dependency("redis"),
        lambda: meters.count(Meter.COUNTED_ALONE),
    )
    limits = Limits(settings.limits, counters)
    sign_ins = SignIns(
        database,
        settings.secret_key,
        clock,
        idle_seconds=settings.sign_ins.idle_seconds,
        absolute_seconds=settings.sign_ins.absolute_seconds,
        per_person=settings.sign_ins.per_person,
        end_oldest_when_full=settings.sign_ins.when_full == "end-oldest",
    )
    self_test(settings)
    resources = Resources(clock, database, identify, meters.provider)
    providers = make_providers(settings.providers, resources)
    key_ring = KeyRing(
        database,
        token.signing_key,
        settings.recipient_keys,
        lambda signing_key, recipient_key: Minter(
            issuer=settings.issuer,
            signing_key=signing_key,
            recipient_key=recipient_key,
            lifetime_seconds=token.lifetime_seconds,
            clock=clock,
            visitor_data=token.visitor_data,
            optional_claims=token.optional_claims,
        ),
    )
    of_requests = tuple(it for it in providers.values() if isinstance(it, RequestProvider))
    user_id = derivation(token.user_id, token.pairwise_key)
    app_rules = AppRules(rules) if rules else None
    policies = Policies(
        settings.policy,
        lambda policy: Policy(user_id, app_rules, policy),
        policy_source,
        faulty=lambda: meters.count(Meter.POLICY_FAULTY),
    )
    pauses = Pauses(database, clock)
    presence = Presence(database, lambda: _standing(key_ring, policies))
    return State(
        settings=settings,
        clock=clock,
        database=database,
        providers=providers,
        sign_ins=sign_ins,
        limits=limits,
        admission=Admission(
            sign_ins,
            providers,
            of_requests,
            limits,
            pauses,
            policies,
            RecentFailures(clock),
            key_ring,
            audit,
            clock,
            meters.stage if spans is None else spans.around(meters.stage),
        ),
        authentication=Authentication(providers, sign_ins, limits, audit),
        audit=audit,
        visitor_keys=VisitorKeys(settings.secret_key),
        outcomes=outcomes,
        presence=presence,
        background=Background(
            Job(outcomes.save, outcomes.close),
            Job(presence.announce, presence.leave),
            # Its thread rests for most of the time.
            Job(database.release, database.release),
        ),
        support_ids=SupportIds(settings.secret_key, clock),
    )


def _standing(key_ring: KeyRing, policies: Policies) -> Standing:
    try:
        own = key_ring.minter().signing_key.fingerprint
    except UsherError:
        own = "none"
    return Standing(policies.current().version, own, key_ring.held)


def _audit_sink(settings: AuditSettings, console: int) -> Sink:
    if settings.syslog is not None:
        return SyslogSink(settings.syslog)
    return FileSink(settings.file) if settings.file is not None else StreamSink(console)
