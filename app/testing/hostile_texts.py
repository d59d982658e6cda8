# ruff: noqa: RUF001 (letters that look alike are the point)
"""Texts that break what is careless with texts."""

from __future__ import annotations

HOSTILE_TEXTS = {
    "empty": "",
    "row27-nul": "\0",
    "row27-trailing-nul": "jane\0",
    "row27-lone-surrogate": "\ud800",
    "row27-emoji": "😀",
    "row27-four-byte-letters": "𝕁𝕒𝕟𝕖",
    "row26-zero-width": "ja\u200bne",
    "row26-bidi-override": "jane\u202e",
    "row36-sql": "' OR 1=1--",
    "row36-template": "{{7*7}}",
    "row36-jndi": "${jndi:ldap://127.0.0.1}",
    "row36-markup": '"><script>',
    "row36-line-break": "a\r\nSet-Cookie: b",
    "256-characters": "x" * 256,
    "100000-characters": "x" * 100_000,
}
"""By name. The numbers are those of the attacks in the threat model."""
