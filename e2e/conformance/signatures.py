"""What boto3 makes of services that are absent, of presigned URLs and of forms: the only argument is the address."""

import base64
import hashlib
import hmac
import sys
import urllib.parse
import uuid
import zlib
from http import client as http_client

import boto3
from botocore import auth, awsrequest, credentials
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
REGION = "us-east-1"
KEY = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

# One operation of each of these services, none of which the local cloud offers.
ABSENT = {
    "athena": "list_work_groups",
    "cloudformation": "list_stacks",
    "dynamodb": "list_tables",
    "ec2": "describe_vpcs",
    "events": "list_rules",
    "glue": "get_databases",
    "kms": "list_keys",
    "rds": "describe_db_instances",
    "route53": "list_hosted_zones",
    "secretsmanager": "list_secrets",
    "sns": "list_topics",
    "sqs": "list_queues",
    "stepfunctions": "list_state_machines",
}
# Operations that services have on AWS and not here.
OPERATIONS = {
    "apigatewayv2": ("get_domain_names", {}),
    "cloudwatch": ("list_dashboards", {}),
    "ecr": ("describe_registry", {}),
    "iam": ("list_users", {}),
    "lambda": ("list_layers", {}),
    "logs": ("describe_queries", {}),
    "s3": ("get_bucket_website", {"Bucket": "plain"}),
    "sagemaker": ("list_clusters", {}),
    "service-quotas": ("list_service_quotas", {"ServiceCode": "lambda"}),
    "sts": ("get_session_token", {}),
}


def client(service, region=REGION, **config):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3}, **config)
    return boto3.client(service, endpoint_url=URL, region_name=region, config=config, **KEY)


def refusal(call, **members):
    try:
        call(**members)
    except ClientError as error:
        return error.response
    raise AssertionError(f"{call} was done")


def absent():
    calls = [(service, operation, {}) for service, operation in ABSENT.items()]
    calls += [(service, operation, members) for service, (operation, members) in OPERATIONS.items()]
    unsigned = {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "ss", "WebIdentityToken": "x" * 20}
    calls.append(("sts", "assume_role_with_web_identity", unsigned))
    for service, operation, members in calls:
        answer = refusal(getattr(client(service), operation), **members)
        error, metadata = answer["Error"], answer["ResponseMetadata"]
        found = (error["Code"], metadata["HTTPStatusCode"], metadata["RetryAttempts"])
        assert found == ("NotImplemented", 501, 0), (service, found, error)
        assert "the local cloud does not offer " in error["Message"], (service, error)


def http(method, url, body=None, headers=None):
    url = urllib.parse.urlsplit(url)
    connection = http_client.HTTPConnection(url.netloc, timeout=30)
    connection.request(method, f"{url.path}?{url.query}", body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def presigned(version):
    signer = client("s3", signature_version=version)

    def url(operation, key, expires=60, **members):
        return signer.generate_presigned_url(operation, {"Bucket": "plain", "Key": key, **members}, expires)

    key = "a b/\N{LATIN SMALL LETTER U WITH DIAERESIS}+"
    assert http("PUT", url("put_object", key), b"hello")[0] == 200
    typed = url("put_object", "typed", ContentType="text/plain")
    assert http("PUT", typed, b"hello", {"content-type": "text/plain"})[0] == 200
    shown = url("get_object", key, ResponseContentDisposition='attachment; filename="x y"')
    assert http("GET", shown) == (200, "hello")
    assert http("HEAD", url("head_object", key))[0] == 200
    status, text = http("GET", url("get_object", key, expires=-5) if version == "s3" else old(signer, key))
    assert status == 403 and "Request has expired" in text and "<ServerTime>" in text, text
    assert http("GET", url("get_object", key).replace("Signature=", "Signature=A"))[0] in (400, 403)
    assert http("GET", url("get_object", "typed").replace("typed", "other"))[0] == 403
    assert http("DELETE", url("delete_object", "typed"))[0] == 204
    if version == "s3v4":
        status, text = http("GET", url("get_object", key, expires=60 * 86400))
        assert status == 400 and "less than a week" in text, text


def old(signer, key):
    """A URL of version 4 that was valid for a second, an hour ago."""
    import datetime
    from unittest import mock

    past = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(hours=1)
    name = "get_current_datetime" if hasattr(auth, "get_current_datetime") else None
    if name is None:
        raise AssertionError("botocore has no clock to set")
    with mock.patch.object(auth, name, lambda *_, **__: past):
        return signer.generate_presigned_url("get_object", {"Bucket": "plain", "Key": key}, 1)


def forms(version):
    signer, plain = client("s3", signature_version=version), client("s3")

    def post(key, fields=(), conditions=(), expires=60, data=b"1,2"):
        fields = dict(fields)
        form = signer.generate_presigned_post("plain", key, fields, list(conditions), expires)
        mark, body = uuid.uuid4().hex, b""
        for name, value in form["fields"].items():
            body += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        body += f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n'.encode()
        body += data + f"\r\n--{mark}--\r\n".encode()
        return http("POST", form["url"], body, {"content-type": f"multipart/form-data; boundary={mark}"})

    assert post(f"{version}/${{filename}}")[0] == 204
    assert plain.get_object(Bucket="plain", Key=f"{version}/x.csv")["Body"].read() == b"1,2"
    created = {"success_action_status": "201"}
    status, text = post("made", created, [created])
    assert status == 201 and "<Key>made</Key>" in text, text
    refused = {
        "EntityTooLarge": post("k", conditions=[["content-length-range", 0, 2]]),
        "EntityTooSmall": post("k", conditions=[["content-length-range", 10, 20]]),
        "Invalid according to Policy: Policy expired.": post("k", expires=-5),
        "Invalid according to Policy: Extra input fields: x-amz-meta-a": post("k", {"x-amz-meta-a": "1"}),
        "Invalid according to Policy: Policy Condition failed: ": post(
            "k", {"x-amz-meta-a": "1"}, [{"x-amz-meta-a": "2"}]
        ),
    }
    for text, (status, answer) in refused.items():
        assert status in (400, 403) and text in answer, (text, status, answer)


class Chunked(auth.S3SigV4Auth):
    """Signs a body in chunks: the header alone, or each chunk too."""

    def __init__(self, kind):
        super().__init__(credentials.Credentials("test", "test"), "s3", REGION)
        self.kind = kind

    def payload(self, request):
        return self.kind

    def _should_sha256_sign_payload(self, request):
        return True

    def add_auth(self, request):
        super().add_auth(request)
        self.time = request.context["timestamp"]
        self.last = request.headers["Authorization"].rsplit("Signature=", 1)[1]

    def chunk(self, data):
        scope = f"{self.time[:8]}/{REGION}/s3/aws4_request"
        digests = [hashlib.sha256(part).hexdigest() for part in (b"", data)]
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", self.time, scope, self.last, *digests])
        key = b"AWS4test"
        for part in (self.time[:8], REGION, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self.last = hmac.new(key, text.encode(), "sha256").hexdigest()
        return f"{len(data):x};chunk-signature={self.last}\r\n".encode() + data + b"\r\n"


def chunked(kind, data, last=True, length=None):
    """Puts an object in chunks, with or without the last one, of size 0."""
    headers = {"x-amz-decoded-content-length": str(length or len(data))}
    headers |= {"content-encoding": "aws-chunked"}
    trailer = b""
    if kind.endswith("TRAILER"):
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        digest = base64.b64encode(zlib.crc32(data).to_bytes(4, "big"))
        trailer = b"x-amz-checksum-crc32:" + digest + b"\r\n\r\n"
    request = awsrequest.AWSRequest("PUT", URL + "/plain/chunked", headers, b"")
    signer = Chunked(kind)
    signer.add_auth(request)
    if kind.startswith("STREAMING-UNSIGNED"):
        body = f"{len(data):x}\r\n".encode() + data + b"\r\n" + (b"0\r\n" + trailer if last else b"")
    else:
        body = signer.chunk(data) + (signer.chunk(b"") if last else b"")
    return http("PUT", URL + "/plain/chunked", body, dict(request.headers.items()))


def bodies():
    data = b"0\r\n\r\n" * 1000
    for kind in ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
        for changes in ({"last": False}, {"length": len(data) + 1}, {"length": len(data) - 1}):
            status, text = chunked(kind, data, **changes)
            assert status == 400 and "<Code>IncompleteBody</Code>" in text, (kind, changes, status, text)
            assert refusal(client("s3").head_object, Bucket="plain", Key="chunked")["Error"]["Code"] == "404"
        assert chunked(kind, data)[0] == 200, kind
        client("s3").delete_object(Bucket="plain", Key="chunked")
    digest = hashlib.sha256(b"another").hexdigest()
    for path, body in (("/plain/chunked", b"data"), ("/plain?tagging", b"<Tagging><TagSet></TagSet></Tagging>")):
        request = awsrequest.AWSRequest("PUT", URL + path, {}, body)
        Chunked(digest).add_auth(request)
        status, text = http("PUT", URL + path, body, dict(request.headers.items()))
        assert status == 400 and "XAmzContentSHA256Mismatch" in text, (path, status, text)


client("s3").create_bucket(Bucket="plain")
absent()
bodies()
for version in ("s3", "s3v4"):
    presigned(version)
    forms(version)
answer = refusal(client("s3", region="eu-west-3").list_buckets)
assert answer["Error"]["Code"] == "AuthorizationHeaderMalformed" and answer["Error"]["Region"] == REGION, answer
client("iam", region=REGION).list_roles()
print("absent services, presigned URLs and forms of both versions are as boto3 expects")
