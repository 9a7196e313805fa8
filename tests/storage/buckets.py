"""Buckets of S3 and of Google Cloud Storage, as moto and an emulator play them on 127.0.0.1."""

import contextlib
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

from tests.cluster.processes import free_port

SCHEMES = ("s3", "gs")
NO_FILE = "/nonexistent"


@contextlib.contextmanager
def serve_buckets(name, content):
    """Serve s3://name and gs://name with the same files; yield the environment variables by which others find them."""
    with serve_s3(name, content) as s3, serve_gs(name, content) as gs:
        yield s3 | gs


@contextlib.contextmanager
def serve_s3(name, content):
    """Serve a bucket with files by name; yield the environment variables by which others find it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=endpoint, **keys)
        client.create_bucket(Bucket=name)
        for key, data in content.items():
            client.put_object(Bucket=name, Key=key, Body=data)
        yield {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.stop()


@contextlib.contextmanager
def serve_gs(name, content):
    """Serve a bucket with files by name; yield the environment variables by which others find it."""
    from gcp_storage_emulator.server import create_server
    from gcsfs.core import GCSFileSystem

    logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket=name)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{port}"
        system = GCSFileSystem(endpoint_url=endpoint, token="anon", skip_instance_cache=True)
        for key, data in content.items():
            system.pipe_file(f"{name}/{key}", data)
        # Clients break off connections that they keep, which the server would print on the tests' own stderr.
        with mock.patch("socketserver.BaseServer.handle_error"):
            yield {"STORAGE_EMULATOR_HOST": endpoint} | WITHOUT_CREDENTIALS["gs"]
    finally:
        server.stop()


# No keys, no files of them, and no machine in a cloud that would be asked.
WITHOUT_CREDENTIALS = {
    "s3": {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_SHARED_CREDENTIALS_FILE": NO_FILE,
        "AWS_CONFIG_FILE": NO_FILE,
        "AWS_EC2_METADATA_DISABLED": "true",
    },
    "gs": {"GOOGLE_APPLICATION_CREDENTIALS": "", "CLOUDSDK_CONFIG": NO_FILE, "NO_GCE_CHECK": "true"},
}


@contextlib.contextmanager
def serve_refusals():
    """Serve what Google answers to those whom it does not know; yield the environment variable that leads there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"STORAGE_EMULATOR_HOST": "http://{}:{}".format(*server.server_address)}
    finally:
        server.shutdown()
        server.server_close()


class _Refusal(BaseHTTPRequestHandler):
    def do_GET(self):
        message = "Anonymous caller does not have storage.objects.list access to the Google Cloud Storage bucket."
        self.send_response(401)
        self.end_headers()
        self.wfile.write(json.dumps({"error": {"code": 401, "message": message}}).encode())

    def log_message(self, *_):
        pass
