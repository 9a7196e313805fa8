"""AWS as moto plays it, on this machine: S3, Batch and CloudFormation."""

import contextlib
import json
import urllib.request

from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@contextlib.contextmanager
def aws_here():
    """Yield the environment that leads boto3 to a server of moto's; it runs no containers."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    body = json.dumps({"batch": {"use_docker": False}}).encode()
    request = urllib.request.Request(f"{url}/moto-api/config", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()
    try:
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        server.stop()
