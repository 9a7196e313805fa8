"""What keeps other web pages and other machines away from the viewer, and foreign content out of its page.

The server listens on 127.0.0.1. A page elsewhere may still ask this browser to send requests there, under its own name
(a cross-site request) or under a name that it has just pointed at this address (DNS rebinding). Both are refused by
the headers that browsers set and pages cannot. Other users of this machine lack the token in the address.
"""

import hmac
from collections.abc import Sequence

from flask import Flask, Response, abort, redirect, request
from werkzeug.wrappers import Response as BaseResponse

HOSTS = ("127.0.0.1", "localhost")
LARGEST_REQUEST = 96 * 2**20  # bytes; a dropped file of 64 MiB in base64
_SAME = ("same-origin", "none")  # "none": typed into the address bar


def guard(server: Flask, port: int, token: str, script_hashes: Sequence[str]) -> None:
    """Refuse requests of other sites and users, large ones, and the loading of anything from elsewhere.

    Args:
        server: gets the checks.
        port: where it listens.
        token: in the address that opens the page; a cookie holds it from then on.
        script_hashes: of the scripts that are part of the page.
    """
    hosts = {f"{host}:{port}" for host in HOSTS}
    origins = {f"http://{host}" for host in hosts}
    cookie = f"viewer-{port}"  # other ports share the cookies
    policy = "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {' '.join(script_hashes)}",
            "style-src 'self' 'unsafe-inline'",  # Plotly and the tables set styles of their elements
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )
    )
    server.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST

    @server.before_request
    def refuse_others() -> None:
        if request.host not in hosts:
            abort(403, "the viewer answers to 127.0.0.1 only")
        if request.headers.get("Origin", "http://" + request.host) not in origins:
            abort(403, "a request of another site")
        opens_page = request.path == "/" and request.headers.get("Sec-Fetch-Dest") == "document"
        if request.headers.get("Sec-Fetch-Site", "none") not in _SAME and not opens_page:
            abort(403, "a request of another site")

    @server.before_request
    def ask_for_token() -> BaseResponse | None:
        if hmac.compare_digest(request.cookies.get(cookie, "").encode(), token.encode()):
            return None
        if request.path != "/" or not hmac.compare_digest(request.args.get("token", "").encode(), token.encode()):
            abort(401, "open the address that the program printed")
        response = redirect("/")
        response.set_cookie(cookie, token, httponly=True, samesite="Strict")
        return response

    @server.after_request
    def add_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return response
