"""A small server that answers like Kaggle's API, as far as the kernels use it, and fails when it is told to."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER, KEY, TOKEN = "ada", "0123456789abcdef0123456789abcdef", "KGAT_fedcba9876543210fedcba9876543210"
DATE = "Wed, 25 Nov 2026 10:00:00 GMT"


@dataclass
class Fault:
    """What goes wrong with a request.

    Attributes:
        status: of the answer; 0: the connection breaks.
        message: in the answer's body.
        headers: of the answer.
        after: bytes of a body that are read, or sent, before it goes wrong.
    """

    status: int = 500
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    after: int = 0


class Kaggle:
    """The server and what it holds.

    Attributes:
        faults: by request, those of the next ones; None for a request that works.
        requests: names and bodies, in order.
        blobs: uploaded bytes, by token.
        data_sets: files' tokens of each version, by data set.
        kernels: the last pushed, by name.
        files: served bytes, by path.
        states: of the running kernel at its next looks; the last one stays.
    """

    def __init__(self, port: int = 0) -> None:
        self.faults: dict[str, list[Fault | None]] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.blobs: dict[str, bytearray] = {}
        self.sizes: dict[str, int] = {}
        self.data_sets: dict[str, list[list[str]]] = {}
        self.unpacking = 1  # looks at a new version until it is ready
        self.kernels: dict[str, dict[str, Any]] = {}
        self.changes: Callable[[dict[str, Any]], dict[str, Any]] = lambda saved: {}  # of the answer to a push
        self.forgets: Callable[[dict[str, Any]], None] = lambda saved: None  # before it is saved
        self.states: list[dict[str, Any]] = [{"status": "COMPLETE"}]
        self.log: list[str] = ["one\n", "two\n"]
        self.cut_log_after: list[int] = []
        self.outputs: dict[str, str] = {}  # file name to path in `files`
        self.files: dict[str, bytes] = {}
        self.competitions: dict[str, list[str]] = {"data-science-bowl-2018": []}
        self.submissions: list[dict[str, Any]] = []
        self.scores: list[dict[str, Any]] = [{"status": "COMPLETE", "privateScore": "0.61400", "publicScore": "0.5"}]
        self.allowed = 5
        self.auth: list[str | None] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def fail(self, name: str, *faults: Fault | None) -> None:
        self.faults.setdefault(name, []).extend(faults)

    def names(self) -> list[str]:
        return [name for name, _ in self.requests]

    def bodies(self, name: str) -> list[dict[str, Any]]:
        return [body for asked, body in self.requests if asked == name]

    def next_fault(self, name: str) -> Fault | None:
        left = self.faults.get(name)
        return left.pop(0) if left else None

    # What each request answers; `body` has the names of the API's JSON.

    def introspect_token(self, body):
        return {"active": body["token"] == TOKEN, "username": USER}

    def get_dataset_status(self, body):
        versions = self._versions(body)
        self.unpacking -= 1
        return {"status": "READY" if versions and self.unpacking < 0 else "BLOBS_RECEIVED"}

    def get_dataset(self, body):
        return {"currentVersionNumber": len(self._versions(body)), "ref": body["datasetSlug"]}

    def _versions(self, body):
        name = f"{body['ownerSlug']}/{body['datasetSlug']}"
        if name not in self.data_sets:
            raise LookupError(name)
        return self.data_sets[name]

    def start_blob_upload(self, body):
        return self._new_blob(body)

    def start_submission_upload(self, body):
        return self._new_blob(body)

    def _new_blob(self, body):
        token = f"blob-{len(self.blobs)}"
        self.blobs[token] = bytearray()
        self.sizes[token] = body["contentLength"]
        return {"token": token, "createUrl": f"{self.url}/upload/{token}?signature=s3cr3t"}

    def create_dataset(self, body):
        self.data_sets[f"{body['ownerSlug']}/{body['slug']}"] = [[file["token"] for file in body["files"]]]
        return {"status": "ok", "url": "u", "ref": "r"}

    def create_dataset_version(self, body):
        self._versions(body).append([file["token"] for file in body["body"]["files"]])
        return {"status": "ok", "url": "u", "ref": "r"}

    def save_kernel(self, body):
        saved = dict(body)
        self.forgets(saved)
        self.kernels[body["slug"]] = saved
        number = self.names().count("SaveKernel")
        url = f"https://www.kaggle.com/code/{body['slug']}"
        return {"ref": f"/code/{body['slug']}", "url": url, "versionNumber": number, "kernelId": 7} | self.changes(
            saved
        )

    def get_kernel(self, body):
        saved = self.kernels[f"{body['userName']}/{body['kernelSlug']}"]
        return {"metadata": {"id": 7, "ref": saved["slug"], "title": saved["newTitle"]} | saved}

    def get_kernel_session_status(self, body):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def list_kernel_session_output(self, body):
        names = sorted(self.outputs)
        begin = int(body.get("pageToken") or 0)
        page = names[begin : begin + 2]
        files = [{"fileName": name, "url": f"{self.url}/files/{self.outputs[name]}?signature=s3cr3t"} for name in page]
        log = json.dumps([{"stream_name": "stdout", "time": 1, "data": line} for line in self.log])
        rest = {"nextPageToken": str(begin + 2)} if begin + 2 < len(names) else {}
        return {"files": files, "log": log} | rest

    def get_accelerator_quota_statistics(self, body):
        return {"gpuQuota": {"timeUsed": "36000s", "totalTimeAllowed": "72000s"}}

    def list_data_files(self, body):
        if body["competitionName"] not in self.competitions:
            raise LookupError(body["competitionName"])
        return {"files": [{"name": name} for name in self.competitions[body["competitionName"]]]}

    def get_submission_limits(self, body):
        return {"numToday": len(self.submissions), "numAllowedNow": self.allowed}

    def create_submission(self, body):
        number = 100 + len(self.submissions)
        self.submissions.append({"ref": number, "token": body["blobFileTokens"], "date": "2026-11-26T10:00:00Z"})
        return {"message": "Successfully submitted", "ref": number}

    def list_submissions(self, body):
        score = self.scores.pop(0) if len(self.scores) > 1 else self.scores[0]
        return {"submissions": [entry | score for entry in self.submissions]}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _handler(kaggle: Kaggle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def _answer(self, status, body=b"", headers=()):
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _json(self, status, values, headers=()):
            headers = {"Content-Type": "application/json", **dict(headers)}
            self._answer(status, json.dumps(values).encode(), headers)

        def _fails(self, name):
            fault = kaggle.next_fault(name)
            if fault is None:
                return False
            if fault.status == 0:
                self.close_connection = True
                self.connection.shutdown(2)
            else:
                self._json(fault.status, {"code": fault.status, "message": fault.message}, fault.headers)
            return True

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            name = self.path.rsplit("/", 1)[1]
            kaggle.requests.append((name, body))
            kaggle.auth.append(self.headers["Authorization"])
            if self._fails(name):
                return
            if name in ("DownloadDataFile", "DownloadDataFiles"):
                file = body.get("fileName", f"{body['competitionName']}.zip")
                self._answer(302, headers={"Location": f"{kaggle.url}/files/{file}?signature=s3cr3t"})
                return
            try:
                self._json(200, getattr(kaggle, _snake(name))(body))
            except LookupError as error:
                self._json(404, {"code": 404, "message": f"Not found: {error}"})

        def do_PUT(self):
            token = self.path.split("?")[0].rsplit("/", 1)[1]
            held, size = kaggle.blobs[token], kaggle.sizes[token]
            length, place = int(self.headers["Content-Length"] or 0), self.headers["Content-Range"]
            kaggle.requests.append(("PUT", {"range": place, "length": length}))
            fault = kaggle.next_fault("PUT")
            if place and place.startswith("bytes */"):
                if fault:
                    self._answer(fault.status)
                    return
                stored = {"Range": f"bytes=0-{len(held) - 1}"} if held else {}
                self._answer(200 if len(held) == size else 308, headers={} if len(held) == size else stored)
                return
            if not place:
                held.clear()
            if fault:
                held.extend(self.rfile.read(min(fault.after, length)))
                if fault.status == 0:
                    self.connection.shutdown(2)
                    self.close_connection = True
                    return
                self.rfile.read(length - fault.after)
                self._answer(fault.status)
                return
            held.extend(self.rfile.read(length))
            self._answer(200)

        def do_GET(self):
            path = self.path.split("?")[0]
            if path.startswith("/api/v1/kernels/logs/stream/"):
                self._stream()
                return
            name = path.removeprefix("/files/")
            kaggle.requests.append(("GET", {"file": name, "range": self.headers["Range"]}))
            fault = kaggle.next_fault("GET")
            if fault and fault.status:
                self._json(fault.status, {"code": fault.status, "message": fault.message}, fault.headers)
                return
            if name not in kaggle.files:
                self._json(404, {"code": 404, "message": "no such file"})
                return
            self._send_file(kaggle.files[name], fault)

        def _send_file(self, content, fault):
            same = self.headers["If-Range"] in (None, f'"{len(content)}"')
            wanted = self.headers["Range"] if same else None
            begin = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if begin else 200)
            headers = {"Accept-Ranges": "bytes", "ETag": f'"{len(content)}"', "Last-Modified": DATE}
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            rest = content[begin:]
            self.wfile.write(rest[: fault.after] if fault else rest)
            if fault:
                self.wfile.flush()
                self.connection.shutdown(2)
                self.close_connection = True

        def _stream(self):
            kaggle.requests.append(("logs", {}))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            cut = kaggle.cut_log_after.pop(0) if kaggle.cut_log_after else None
            for line in kaggle.log[:cut]:
                self._chunk("data: " + json.dumps({"stream_name": "stdout", "data": line}) + "\n\n")
            if cut is None:
                self._chunk("data: END_OF_LOG\n\n")
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.connection.shutdown(2)
            self.close_connection = True

        def _chunk(self, text):
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())

    return Handler


if __name__ == "__main__":
    print(f"a stub of Kaggle on port 7777; KAGGLE_API_ENVIRONMENT=TEST KAGGLE_USERNAME={USER} KAGGLE_KEY={KEY}")
    Kaggle(7777)
    threading.Event().wait()
