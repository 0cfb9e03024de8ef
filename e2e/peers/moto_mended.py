"""moto's server with what no stage can be seen without mended: two mistakes in its S3, which the Rust SDK cannot read,
and two lists that it does not have: an API's authorizers, and alarms in CBOR, in which the Rust SDK asks for them.

Everything else answers as moto answers it. What is mended here stands in `conformance/deviations.yaml` too, since the
conformance suite asks moto as it is.
"""

import io
import re
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.wrappers import Response


class Mended:
    """Mends four answers on their way."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        if method == "GET" and query.startswith("versioning"):
            answer = self.ask(environ)
            # The root element is named after the operation, and the Rust SDK reads no other than AWS's.
            answer.data = answer.data.replace(b"GetBucketVersioningResponse", b"VersioningConfiguration")
            return answer(environ, start_response)
        if method == "PUT" and not query.strip("="):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            tags = re.search(rb"<CreateBucketConfiguration.*<Tags>(.*)</Tags>", body, re.DOTALL)
            answer = self.ask(with_body(environ, body))
            if tags and answer.status_code == 200:
                # Tags of the request that makes a bucket are left out.
                tagging = b"<Tagging><TagSet>%s</TagSet></Tagging>" % tags.group(1)
                self.ask({**with_body(environ, tagging), "QUERY_STRING": "tagging"})
            return answer(environ, start_response)
        if method == "GET" and re.fullmatch(r"/v2/apis/\w+/authorizers", environ["PATH_INFO"]):
            # No test makes one here.
            answer = Response('{"items": []}', content_type="application/json")
            return answer(environ, start_response)
        if environ["PATH_INFO"].endswith("/GraniteServiceVersion20100801/operation/DescribeAlarms"):
            # {"MetricAlarms": []}: no test makes one here.
            answer = Response(b"\xa1\x6cMetricAlarms\x80", content_type="application/cbor")
            answer.headers["smithy-protocol"] = "rpc-v2-cbor"
            return answer(environ, start_response)
        return self.app(environ, start_response)

    def ask(self, environ):
        return Response.from_app(self.app, environ, buffered=True)


def with_body(environ, body):
    return {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), Mended(DomainDispatcherApplication(create_backend_app)), threaded=True)
