"""Signing in to the shop and out of it, with Flask-Login."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import (
    Blueprint,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_login import LoginManager, current_user, login_user, logout_user
from werkzeug.wrappers import Response

from .customers import Customer, Customers
from .guard import protect

VISIT = "visit"
WRONG = "The e-mail address or the password is wrong. Check both and try again."

blueprint = Blueprint("sign_in", __name__)
protect(blueprint)

login_manager = LoginManager()
login_manager.login_view = "sign_in.form"
login_manager.login_message = None


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load_customer(customer_id: str) -> Customer | None:
    """Return who is signed in, for Flask-Login.

    The cookie alone does not count: whoever kept an old one would be signed in for ever.
    """
    customer = customers().visitor(session.get(VISIT, ""))
    return customer if customer is not None and customer.get_id() == customer_id else None


@blueprint.get("/sign-in")
def form() -> str | Response:
    """Show the form."""
    target = _safe(request.args.get("next", ""))
    if current_user.is_authenticated:
        return redirect(target)
    return render_template("shop/sign_in.html", next=target)


@blueprint.post("/sign-in")
def sign_in() -> Response | tuple[str, int]:
    """Sign in whoever filled in the form."""
    target, email = _safe(request.form.get("next", "")), request.form.get("email", "")
    visit = customers().sign_in(email.strip(), request.form.get("password", ""))
    customer = customers().visitor(visit) if visit else None
    if customer is None:
        page = render_template("shop/sign_in.html", next=target, email=email, error=WRONG)
        return page, 401
    _end_visit()
    session[VISIT] = visit
    login_user(customer)
    return redirect(target, 303)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """Sign out in this browser. The basket stays."""
    _end_visit()
    logout_user()
    return redirect(url_for("shop.home"), 303)


def customers() -> Customers:
    """Return the customers of the current app."""
    found = current_app.extensions["customers"]
    assert isinstance(found, Customers)  # noqa: S101
    return found


def _end_visit() -> None:
    visit = session.pop(VISIT, None)
    if visit:
        customers().sign_out(visit)


def _safe(target: str) -> str:
    """Return a page of the shop: the wanted one, if it is one."""
    parts = urlsplit(target)
    inside = target.startswith("/") and not parts.scheme and not parts.netloc
    # Browsers read a backslash as a slash, and take no notice of line breaks.
    plain = target.isprintable() and "\\" not in target and not target.startswith("//")
    return target if inside and plain else url_for("shop.home")
