"""What the shop sells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """Something to buy; `cents` is its price."""

    id: str
    name: str
    words: str
    cents: int

    @property
    def price(self) -> str:
        """The price as people write it."""
        return euros(self.cents)


def euros(cents: int) -> str:
    """Return an amount as people write it."""
    return f"€ {cents // 100}.{cents % 100:02}"


PRODUCTS = {
    product.id: product
    for product in (
        Product("notebook", "Notebook, A5", "192 pages that lie flat. Sewn, not glued.", 1850),
        Product("pencil", "Pencil, HB", "Cedar, and it sharpens without splinters.", 220),
        Product("ink", "Iron gall ink", "Goes on pale, dries black, stays for good.", 1400),
        Product("envelopes", "Ten envelopes", "Lined with tissue, gummed by hand.", 960),
    )
}
