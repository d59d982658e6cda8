"""What a site has to write down so that its pages may use this installation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from .page_origins import Relation, relation
from .script_files import ScriptFile
from .settings import Settings

Allowance = Literal["origin", "nonce", "hash"]
NONCE = "NONCE"
IADVIZE_PLACE = (
    "<!-- iAdvize's own tag, as iAdvize gives it: here or elsewhere on the page. -->"
)


@dataclass(frozen=True, slots=True)
class Embedding:
    """The pages of one origin, and how they load the client.

    `allowance` is by what the page's Content Security Policy lets the script run.
    """

    settings: Settings
    page: str
    script: ScriptFile
    is_classic: bool
    allowance: Allowance

    @property
    def relation(self) -> Relation:
        """What the pages are to the service."""
        return relation(self.page, self.settings.public_url)

    @property
    def snippet(self) -> str:
        """The tags for the page (HTML)."""
        kind = "defer" if self.is_classic else 'type="module"'
        attributes = [kind, f'src="{self._base}{self.script.address}"']
        attributes.append(f'integrity="{self.script.integrity}"')
        # Without it browsers can't see what another origin has sent, and so can't compare.
        if self._base:
            attributes.append('crossorigin="anonymous"')
        client = f"<script {' '.join(attributes)}{self._nonce} data-activate></script>"
        return f"{self._iadvize}\n{client}\n"

    @property
    def content_security_policy(self) -> str:
        """The directives with what the page needs (Content Security Policy Level 3)."""
        static = f"{self._base}{self.settings.url_prefix}/static/" if self._base else "'self'"
        service = f"{self._base}{self.settings.url_prefix}/" if self._base else "'self'"
        scripts = {
            "origin": static,
            "nonce": f"'nonce-{NONCE}'",
            "hash": f"'{self.script.integrity}'",
        }[self.allowance]
        directives = {"script-src": [scripts], "connect-src": [service]}
        if self.settings.sandbox is not None:
            for name in ("script-src", "connect-src", "style-src"):
                directives.setdefault(name, []).append(self._sandbox)
        return "; ".join(f"{name} {' '.join(them)}" for name, them in directives.items()) + "\n"

    @property
    def allowed_origins(self) -> str | None:
        """The line for the settings' file (TOML), if there is one to change."""
        allowed = self.settings.allowed_origins
        if self.relation is Relation.SAME_ORIGIN or self.page in allowed:
            return None
        return f"allowed_origins = {json.dumps([*allowed, self.page])}\n"

    @property
    def _base(self) -> str:
        """What stands before a path, so that it leads to the service from the page."""
        return "" if self.relation is Relation.SAME_ORIGIN else self.settings.public_url

    @property
    def _nonce(self) -> str:
        return f' nonce="{NONCE}"' if self.allowance == "nonce" else ""

    @property
    def _sandbox(self) -> str:
        return f"{self.settings.public_url}{self.settings.url_prefix}/sandbox/"

    @property
    def _iadvize(self) -> str:
        if self.settings.sandbox is None:
            return IADVIZE_PLACE
        return f'<script async src="{self._sandbox}iadvize.js"{self._nonce}></script>'
