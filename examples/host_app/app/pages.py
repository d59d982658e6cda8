"""The shelves, the basket and the customer's own page."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask_login import login_required
from werkzeug.wrappers import Response

from .catalogue import PRODUCTS, euros
from .guard import protect

BASKET = "basket"
MOST_OF_ONE = 99

blueprint = Blueprint("shop", __name__)
protect(blueprint)


@blueprint.app_context_processor
def count_basket() -> dict[str, int]:
    """Tell every page how much is in the basket."""
    return {"basket_count": sum(session.get(BASKET, {}).values())}


@blueprint.get("/")
def home() -> str:
    """Show what there is."""
    return render_template("shop/home.html", products=PRODUCTS.values())


@blueprint.get("/basket")
def basket() -> str:
    """Show what the visitor wants."""
    wanted = session.get(BASKET, {})
    lines = [(PRODUCTS[id_], count) for id_, count in wanted.items() if id_ in PRODUCTS]
    total = sum(product.cents * count for product, count in lines)
    return render_template("shop/basket.html", lines=lines, total=euros(total), euros=euros)


@blueprint.post("/basket")
def change_basket() -> Response:
    """Put one thing in, or take all of its kind out."""
    product, wanted = request.form.get("product", ""), dict(session.get(BASKET, {}))
    if product not in PRODUCTS:
        abort(400)
    if request.form.get("do") == "remove":
        wanted.pop(product, None)
    else:
        wanted[product] = min(wanted.get(product, 0) + 1, MOST_OF_ONE)
    session[BASKET] = wanted
    return redirect(url_for("shop.basket"), 303)


@blueprint.get("/account")
@login_required  # type: ignore[untyped-decorator]
def account() -> str:
    """Show customers what the shop knows of them."""
    return render_template("shop/account.html")
