"""What the service answers to a page's browser, asked over the network and by nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from .page_origins import Relation, relation
from .settings import Settings

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 5, 10, 20
LONGEST_BODY_BYTES = 512 * 1024
LONGEST_REASON = 200
FETCH_SITES = {
    Relation.SAME_ORIGIN: "same-origin",
    Relation.SAME_SITE: "same-site",
    Relation.CROSS_SITE: "cross-site",
}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-usher-client",
}
# What a visitor might send, to be taken for somebody else's request. RFC 2606: no such host.
FORGED = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "forged.invalid"}


class Unreachable(Exception):
    """There is no answer; the text says why, in words for the operator."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the service, and between which moments (seconds since the epoch) it came."""

    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    body: bytes
    seconds_between: tuple[float, float]

    @property
    def code(self) -> str | None:
        """The problem code, if this is a problem of Usher's."""
        is_problem = self.headers.get("Content-Type", "").startswith("application/problem+json")
        code = self.json_object().get("code") if is_problem else None
        return code if isinstance(code, str) else None

    def json_object(self) -> dict[str, Any]:
        """Return the JSON object in the body; an empty one when there is none."""
        try:
            body: Any = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True, slots=True)
class Answers:
    """All that a diagnosis looks at."""

    token: Answer
    forged: Answer
    preflight: Answer
    script: Answer
    sign_in: tuple[Answer, ...]


def trusted_certificates(ca_file: Path | None) -> str:
    """Return the file of the authorities to trust at the service's address.

    Without one of the operator's own, those that are public: what this machine trusts beyond
    them, or lacks of them, says nothing of visitors' browsers.
    """
    return DEFAULT_CA_BUNDLE_PATH if ca_file is None else str(ca_file)


class Probe:
    """Asks the service as a browser would that shows a page of `page`'s origin.

    It sends no credentials, keeps no cookies, follows no redirect to other origins, and takes
    neither proxies nor passwords from the environment. `ca_file` holds the certificates to
    trust instead of the public ones.
    """

    def __init__(self, settings: Settings, page: str, ca_file: Path | None = None) -> None:
        self._base = settings.public_url + settings.url_prefix
        self._page = page
        self._relation = relation(page, settings.public_url)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = trusted_certificates(ca_file)
        self._session.headers["User-Agent"] = "usher check"

    def ask(self) -> Answers:
        """Return the answers. Raises `Unreachable`."""
        with self._session:
            return Answers(
                token=self._token(),
                forged=self._token(**FORGED),
                preflight=self._send("OPTIONS", "/token", {"Origin": self._page, **PREFLIGHT}),
                script=self._send("GET", "/static/usher.js", {"Origin": self._page}),
                sign_in=self._sign_in(),
            )

    def get(self, path: str) -> Answer:
        """Return what is at a path below the prefix. Raises `Unreachable`."""
        with self._session:
            return self._send("GET", path, {})

    def _token(self, **headers: str) -> Answer:
        usual = {
            "Origin": self._page,
            "Sec-Fetch-Site": FETCH_SITES[self._relation],
            "Sec-Fetch-Mode": "cors",
            "Content-Type": "application/json",
            "X-Usher-Client": "usher-check/1",
        }
        return self._send("POST", "/token", usual | headers, b"{}")

    def _sign_in(self) -> tuple[Answer, ...]:
        """Return the answers on the way to where a visitor signs in, while it is ours."""
        first = self._send("GET", "/sign-in", {})
        target = urljoin(f"{self._base}/sign-in", first.headers.get("Location", ""))
        if first.status not in (302, 303) or not target.startswith(f"{self._base}/"):
            return (first,)
        return first, self._send("GET", target.removeprefix(self._base), {})

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        self._session.cookies.clear()
        before = time.time()
        try:
            with self._session.request(
                method,
                self._base + path,
                headers=dict(headers),
                data=body,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                after = time.time()
                return Answer(
                    response.status_code,
                    response.headers,
                    tuple(response.raw.headers.getlist("Set-Cookie")),
                    _body(response),
                    (before, after),
                )
        except requests.exceptions.SSLError as error:
            raise Unreachable(f"the certificate is refused: {_innermost(error)}") from error
        except requests.exceptions.Timeout as error:
            raise Unreachable("no answer in time") from error
        except requests.exceptions.RequestException as error:
            raise Unreachable(f"no connection: {_innermost(error)}") from error


def _body(response: requests.Response) -> bytes:
    deadline = time.monotonic() + TOTAL_SECONDS
    body = b""
    for part in response.iter_content(16 * 1024):
        body += part
        if len(body) > LONGEST_BODY_BYTES or time.monotonic() > deadline:
            raise Unreachable("an answer that does not end")
    return body


def _innermost(error: BaseException) -> str:
    """Return the words of the first cause; those around it repeat it with an address."""
    inner = next(iter(_causes(error)), None)
    return str(error)[:LONGEST_REASON] if inner is None else _innermost(inner)


def _causes(error: BaseException) -> list[BaseException]:
    wrapped = [getattr(error, "reason", None), *error.args]
    return [it for it in wrapped if isinstance(it, BaseException)]
