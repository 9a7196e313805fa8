"""AWS's own runtime client, fed with events by a server of this machine in the place of Lambda."""

import json
import queue
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NEXT = "/2018-06-01/runtime/invocation/next"
HEADERS = {  # the client crashes where one is missing
    "Content-Type": "application/json",
    "Lambda-Runtime-Deadline-Ms": "9999999999999",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:lung",
    "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
}


class Runtime:
    """A container of Lambda: a process of awslambdaric that runs a handler.

    Args:
        package: the unzipped package, which becomes the working folder, as /var/task is.
        handler: as in the template.
        environment: of the process, all of it.
        python: its interpreter, which has awslambdaric.
    """

    def __init__(self, package, handler, environment, python=sys.executable):
        self._events, self._answers = queue.Queue(), queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._requests())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        environment = environment | {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": "lung",
            "LAMBDA_TASK_ROOT": str(package),
            "PYTHONPATH": str(package),
        }
        command = [python, "-B", "-m", "awslambdaric", handler]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process = subprocess.Popen(command, cwd=Path(package), env=environment, **options)
        self.count = 0

    def call(self, event, timeout=120):
        """Return what the handler returns, as Lambda passes it on; an error is what its callers would see."""
        self.count += 1
        self._events.put((f"request-{self.count}", json.dumps(event).encode()))
        for _ in range(10 * timeout):
            try:
                return json.loads(self._answers.get(timeout=0.1))
            except queue.Empty:
                assert self.process.poll() is None, self.process.communicate()[0]
        raise TimeoutError(f"no answer within {timeout} seconds")

    def stop(self):
        """End the process; return what it logged."""
        self.process.kill()
        log, _ = self.process.communicate()
        self._server.shutdown()
        self._server.server_close()
        return log

    def _requests(self):
        events, answers = self._events, self._answers

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                assert self.path == NEXT, self.path
                request_id, event = events.get()
                self._send(200, event, {**HEADERS, "Lambda-Runtime-Aws-Request-Id": request_id})

            def do_POST(self):
                answers.put(self.rfile.read(int(self.headers["Content-Length"])))
                self._send(202, b"{}", {})

            def _send(self, status, body, headers):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Requests
