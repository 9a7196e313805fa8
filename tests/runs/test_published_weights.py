"""Where the well-known weights are looked for, and how they are fetched."""

import http.server
import threading

import pytest

from common.errors import InputError
from common.runs import published_weights
from common.runs.published_weights import find_published_weights


@pytest.fixture
def server(monkeypatch):
    """A server with one file; `server.whole = False` breaks every connection half-way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/weights.h5":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"w" * (1000 if self.server.whole else 500))

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.whole = True
    server.url = f"http://127.0.0.1:{server.server_port}/weights.h5"
    monkeypatch.setattr(published_weights, "COCO_URL", server.url)
    monkeypatch.setattr(published_weights, "IMAGENET_URL", server.url.replace("weights", "lost"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_published_weights_are_looked_for_in_order(tmp_path, server):
    folders = [tmp_path / name for name in ("none", "second", "third")]
    for folder in folders[1:]:
        folder.mkdir()
        (folder / published_weights.COCO_FILE).touch()
    assert find_published_weights("coco", folders, tmp_path / "cache") == folders[1] / published_weights.COCO_FILE
    assert not (tmp_path / "cache").exists()


def test_published_weights_are_downloaded_once(tmp_path, server):
    path = find_published_weights("coco", [tmp_path], tmp_path / "a" / "cache")
    assert path == tmp_path / "a" / "cache" / published_weights.COCO_FILE
    assert path.read_bytes() == b"w" * 1000
    server.whole = False
    assert find_published_weights("coco", [tmp_path], tmp_path / "a" / "cache") == path
    assert [entry.name for entry in path.parent.iterdir()] == [published_weights.COCO_FILE]


@pytest.mark.parametrize(("name", "reason"), [("coco", "broke after 500 of 1000"), ("imagenet", "Not Found")])
def test_a_failed_download_leaves_nothing(tmp_path, server, name, reason):
    server.whole = False
    with pytest.raises(InputError, match=reason):
        find_published_weights(name, [tmp_path], tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_connection_the_message_says_where_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(published_weights, "COCO_URL", "http://127.0.0.1:1/weights.h5")
    with pytest.raises(InputError) as caught:
        find_published_weights("coco", [tmp_path], tmp_path / "cache")
    for part in ("--weights coco", published_weights.COCO_FILE, str(tmp_path), "http://127.0.0.1:1/weights.h5"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
