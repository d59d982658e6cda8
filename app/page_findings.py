"""What is wrong between a page and the service, judged from the service's answers."""

from __future__ import annotations

from collections.abc import Iterator

from .findings import Finding, drift, ok
from .page_origins import Relation, relation
from .page_probe import Answer, Answers
from .settings import Settings

LARGEST_DRIFT_SECONDS = 30
NEEDED_HEADERS = frozenset({"content-type", "x-usher-client"})
SCRIPT_TYPES = frozenset({"text/javascript", "application/javascript"})


def findings(
    settings: Settings, page: str, answers: Answers, script: bytes
) -> Iterator[Finding]:
    """Judge the answers that a page of the origin `page` gets.

    `script` is `usher.js` as this release has it.
    """
    yield _token(answers.token)
    yield _proxy(answers.token, answers.forged)
    yield from origin_findings(settings, page, answers)
    yield from _headers(settings, answers.token)
    yield _clock(answers.token)
    yield _script(answers.script, script)


def origin_findings(settings: Settings, page: str, answers: Answers) -> Iterator[Finding]:
    """Judge what differs from one origin of pages to the next."""
    yield _cookies(settings, page, answers.sign_in)
    yield _cors(settings, page, answers)


def _token(answer: Answer) -> Finding:
    check, code = "token address", answer.code
    if 300 <= answer.status < 400:
        return Finding(
            check,
            "fault",
            f"redirects ({answer.status}) to {answer.headers.get('Location', 'nowhere')}",
            "Answer POST requests below this address themselves: no redirect to another host, "
            "scheme or sign-in page. If that is where the service is, set public_url to it.",
        )
    remedies = {
        "host-not-allowed": "The service does not see the Host that visitors ask for: let the "
        "proxy pass it on (`usher embed --only nginx`).",
        "client-header-required": "Something on the way drops X-Usher-Client: let it pass.",
        "cross-origin": "Add the page's origin to allowed_origins and restart the service.",
    }
    if code in remedies:
        return Finding(check, "fault", f"refuses with {code}", remedies[code])
    if code is None:
        kind = answer.headers.get("Content-Type", "no type")
        return Finding(
            check,
            "fault",
            f"answers {answer.status}, {kind}: that is not Usher",
            "Lead public_url and url_prefix to the service, past pages that stand before it.",
        )
    if answer.status >= 500:
        advice = "See the log, and /health/ready below the prefix."
        return Finding(check, "fault", f"refuses with {code}", advice)
    if code in ("no-session", "https-required"):
        return ok(check, "answers, and refuses who is not signed in")
    advice = "See the page on this code in the documentation."
    return Finding(check, "warning", f"refuses with {code}, whoever asks", advice)


def _proxy(answer: Answer, forged: Answer) -> Finding:
    check = "proxy headers"
    if answer.code == "https-required":
        return Finding(
            check,
            "fault",
            "the service takes the request for plain http",
            "Let the proxy set X-Forwarded-Proto, and list the proxy's address in "
            "proxy.trusted_addresses.",
        )
    if forged.code in ("https-required", "host-not-allowed") and forged.code != answer.code:
        return Finding(
            check,
            "fault",
            "what a visitor sends as X-Forwarded-* is believed",
            "Let the proxy replace these headers (`usher embed --only nginx`), and let nobody "
            "reach the service past the proxy.",
        )
    return ok(check, "a visitor's own X-Forwarded-* headers change nothing")


def _cookies(settings: Settings, page: str, answers: tuple[Answer, ...]) -> Finding:
    check, kin = "cookies", relation(page, settings.public_url)
    if kin is Relation.CROSS_SITE:
        return Finding(
            check,
            "fault",
            f"{page} and {settings.public_url} are two sites: browsers send no cookie",
            "Give Usher a path or a host name of the page's own site, and the same scheme. The "
            "cookie is SameSite=Lax, and third-party cookies are blocked anyway.",
        )
    cookies = [cookie for answer in answers for cookie in answer.cookies]
    faults = {fault for cookie in cookies for fault in _cookie_faults(settings, cookie)}
    if faults:
        remedy = "Something on the way changes cookies: let it pass Set-Cookie as it is."
        return Finding(check, "fault", "; ".join(sorted(faults)), remedy)
    if not cookies:
        return ok(check, f"{kin}; none is set before the sign-in, so none was looked at")
    return ok(check, f"{kin}; the cookies have the attributes that they must have")


def _cookie_faults(settings: Settings, cookie: str) -> Iterator[str]:
    first, *rest = (part.strip() for part in cookie.split(";"))
    name = first.partition("=")[0]
    attributes = dict((part.partition("=")[::2]) for part in rest)
    given = {key.lower(): value for key, value in attributes.items()}
    if not name.removeprefix("__Host-").startswith("usher"):
        return
    if settings.secure and not name.startswith("__Host-"):
        yield f"{name} lacks the prefix __Host-"
    if settings.secure and "secure" not in given:
        yield f"{name} lacks Secure"
    if "httponly" not in given:
        yield f"{name} lacks HttpOnly"
    if given.get("samesite", "").lower() != "lax":
        yield f"{name} has not SameSite=Lax"
    if given.get("path") != "/":
        yield f"{name} has not Path=/"
    if "domain" in given:
        yield f"{name} has a Domain"


def _cors(settings: Settings, page: str, answers: Answers) -> Finding:
    check = "CORS"
    if relation(page, settings.public_url) is Relation.SAME_ORIGIN:
        return ok(check, "not needed, page and service have one origin")
    lacks = [
        *_grant_faults(page, answers.preflight, "the answer to the preflight"),
        *_preflight_faults(answers.preflight),
        *_grant_faults(page, answers.token, "the answer itself"),
    ]
    if not lacks:
        return ok(check, f"{page} may ask")
    if page not in settings.allowed_origins:
        remedy = f'Add "{page}" to allowed_origins and restart the service.'
    else:
        remedy = (
            "The settings allow it: restart the service if they are new, and let no proxy "
            "answer OPTIONS itself or change Access-Control-* headers."
        )
    return Finding(check, "fault", "; ".join(lacks), remedy)


def _grant_faults(page: str, answer: Answer, where: str) -> Iterator[str]:
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    if allowed != page:
        yield f"{where} allows {allowed or 'no origin'}"
    if answer.headers.get("Access-Control-Allow-Credentials") != "true":
        yield f"{where} does not allow credentials"


def _preflight_faults(answer: Answer) -> Iterator[str]:
    # Fetch standard, "CORS-preflight fetch": any other status is a network error.
    if not 200 <= answer.status < 300:
        yield f"the preflight is answered with {answer.status}"
    names = answer.headers.get("Access-Control-Allow-Headers", "").lower().split(",")
    missing = NEEDED_HEADERS - {name.strip() for name in names}
    if missing:
        yield f"the preflight does not allow {', '.join(sorted(missing))}"


def _headers(settings: Settings, answer: Answer) -> Iterator[Finding]:
    kept = "Let no proxy change it."
    policy = answer.headers.get("Cache-Control", "")
    if "no-store" in policy:
        yield ok("Cache-Control", policy)
    else:
        remedy = f"{kept} A cache could hand one visitor another's token."
        yield Finding("Cache-Control", "fault", policy or "absent", remedy)
    sniffing = answer.headers.get("X-Content-Type-Options", "")
    if sniffing.lower() == "nosniff":
        yield ok("X-Content-Type-Options", sniffing)
    else:
        yield Finding("X-Content-Type-Options", "warning", sniffing or "absent", kept)
    if settings.secure:
        transport = answer.headers.get("Strict-Transport-Security", "")
        if transport:
            yield ok("Strict-Transport-Security", transport)
        else:
            remedy = "Set http.strict_transport_security, or let the proxy send the header."
            yield Finding("Strict-Transport-Security", "warning", "absent", remedy)


def _clock(answer: Answer) -> Finding:
    check = "clock"
    ahead = drift(answer.headers.get("Date", ""), *answer.seconds_between)
    if ahead is None:
        return Finding(check, "warning", "no Date in the answer", "Let the proxy send one.")
    found = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if abs(ahead) > LARGEST_DRIFT_SECONDS:
        remedy = "Set both clocks by NTP: iAdvize refuses a token whose time is over."
        return Finding(check, "fault", found, remedy)
    return ok(check, found)


def _script(answer: Answer, script: bytes) -> Finding:
    check = "usher.js"
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answer.status != 200 or kind not in SCRIPT_TYPES:
        return Finding(
            check,
            "fault",
            f"answered with {answer.status}, {kind or 'no type'}",
            "Lead /static/ below the prefix to the service: browsers run a module only if it "
            "has a JavaScript type.",
        )
    if answer.body != script:
        remedy = "Empty the caches on the way, or install the same release here and there."
        return Finding(check, "fault", "not the file of this release", remedy)
    return ok(check, "the file of this release")
