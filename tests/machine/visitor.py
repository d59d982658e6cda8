"""Runs in the machine: signs somebody in and asks for tokens, until it is told to end.

    visitor.py HOST CERTIFICATE USERNAME PASSWORD

Prints a line when it begins to ask, and ends with one of JSON: `tokens`, and `failed`, a list
of when and why there was none.
"""

import http.client
import json
import re
import signal
import ssl
import sys
import time
import urllib.parse

PAUSE_SECONDS = 0.7
"""So long that the limit of one person is not reached."""
FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


def main(host: str, certificate: str, username: str, password: str) -> None:
    """Ask until SIGTERM."""
    trust = ssl.create_default_context(cafile=certificate)
    ended: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    connection = http.client.HTTPSConnection(host, context=trust, timeout=30)
    cookie = _sign_in(connection, host, username, password)
    tokens, failed = 0, []
    print("asking", flush=True)
    while not ended:
        try:
            status: int | str = _ask(connection, host, cookie)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            status = type(error).__name__
        if status == 200:
            tokens += 1
        else:
            failed.append(f"{time.strftime('%X')} {status}")
        time.sleep(PAUSE_SECONDS)
    print(json.dumps({"tokens": tokens, "failed": failed}))


def _sign_in(
    connection: http.client.HTTPSConnection, host: str, username: str, password: str
) -> str:
    connection.request("GET", "/usher/sign-in")
    page = connection.getresponse()
    form_token = FORM_TOKEN.search(page.read().decode())
    assert form_token is not None
    form = {"form_token": form_token[1], "username": username, "password": password}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": _cookie(page),
        "Origin": f"https://{host}",
    }
    connection.request("POST", "/usher/sign-in", urllib.parse.urlencode(form), headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 303, answer.status
    return _cookie(answer)


def _cookie(answer: http.client.HTTPResponse) -> str:
    set_here = (it.partition(";")[0] for it in answer.headers.get_all("Set-Cookie", []))
    return next(it for it in set_here if not it.endswith("="))


def _ask(connection: http.client.HTTPSConnection, host: str, cookie: str) -> int:
    headers = {
        "Content-Type": "application/json",
        "Cookie": cookie,
        "Origin": f"https://{host}",
        "X-Usher-Client": "visitor/1",
    }
    connection.request("POST", "/usher/token", "{}", headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


if __name__ == "__main__":
    main(*sys.argv[1:])
