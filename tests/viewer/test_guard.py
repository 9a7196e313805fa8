"""Requests of other sites and hosts are refused; nothing is loaded from elsewhere."""

import pytest

from viewer.app import make_viewer


@pytest.fixture(scope="module")
def client_and_host():
    from tests.viewer.conftest import finished, make_images, make_study

    server, address = make_viewer(finished(make_study(make_images())), 0)
    client, host = server.app.test_client(), f"127.0.0.1:{server.port}"
    assert client.get("/", headers={"Host": host}).status_code == 401  # as for another user of this machine
    assert client.get("/?token=guessed", headers={"Host": host}).status_code == 401
    opened = client.get(address.removeprefix(f"http://{host}"), base_url=f"http://{host}")
    assert opened.status_code == 302 and opened.headers["Location"] == "/"
    assert "HttpOnly" in opened.headers["Set-Cookie"] and "SameSite=Strict" in opened.headers["Set-Cookie"]
    yield client, host
    server.server_close()


def get(client_and_host, path="/", host=None, **headers):
    client, own = client_and_host
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(path, base_url=f"http://{own}", headers={"Host": host or own, **named})


def test_the_page_loads_only_from_itself(client_and_host):
    response = get(client_and_host)
    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy and "script-src 'self' 'sha256-" in policy
    assert b"https://" not in response.data and b"http://" not in response.data


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8050", "127.0.0.1", "[::1]:8050", "127.0.0.1.evil.example"]
)
def test_other_hosts_are_refused(client_and_host, host):
    assert get(client_and_host, host=host).status_code == 403


def test_cross_site_requests_are_refused(client_and_host):
    assert get(client_and_host, Origin="http://evil.example").status_code == 403
    assert get(client_and_host, Origin="null").status_code == 403
    assert get(client_and_host, "/image/0", Sec_Fetch_Site="cross-site").status_code == 403
    assert get(client_and_host, "/image/0", Sec_Fetch_Site="same-site").status_code == 403
    client, host = client_and_host
    answer = client.post(
        "/_dash-update-component", json={}, base_url=f"http://{host}", headers={"Origin": "http://evil.example"}
    )
    assert answer.status_code == 403


def test_own_requests_and_links_to_the_page_are_answered(client_and_host):
    own = f"http://{client_and_host[1]}"
    assert get(client_and_host, "/image/0", Origin=own, Sec_Fetch_Site="same-origin").status_code == 200
    assert get(client_and_host, Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document").status_code == 200
    assert get(client_and_host, "/image/0", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document").status_code == 403


@pytest.mark.parametrize(
    "path", ["/image/99", "/image/-1", "/image/../secret", "/assets/../app.py", "/assets/..%2Fapp.py"]
)
def test_no_path_leads_elsewhere(client_and_host, path):
    response = get(client_and_host, path)
    assert response.status_code == 404 or b"react-entry-point" in response.data  # Dash answers unknown pages
    assert b"make_viewer" not in response.data


def test_large_requests_are_refused(client_and_host):
    client, host = client_and_host
    answer = client.post(
        "/_dash-update-component",
        data=b"{" + b" " * 97 * 2**20,
        base_url=f"http://{host}",
        content_type="application/json",
    )
    assert answer.status_code == 413
