"""One case on one server: calls by boto3, and what came back, in words that can be compared."""

import json
import re

import boto3
import jmespath
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

# Where a server is asked unless its URL says another region. Answers of other regions name this one.
REGION = "us-east-1"
# Nothing is tried again and nothing is checked before it is sent: a wrong call is to reach the server.
CONFIG = Config(
    retries={"total_max_attempts": 1},
    parameter_validation=False,
    connect_timeout=10,
    read_timeout=60,
    s3={"addressing_style": "path"},
    inject_host_prefix=False,
)
UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
XML = re.compile(rb"<(?!\?)(?:\w+:)?(\w+)")
# What nobody compares by eye.
LONG_SET = re.compile(r"(value set: \[)[^\]]{120,}\]")
LONG_RUN = re.compile(r"(.)\1{60,}")


class Server:
    """A server that speaks AWS's protocols, by its `URL` or `URL@REGION`."""

    def __init__(self, name, url, key, secret):
        self.name, self.key, self.secret = name, key, secret
        self.url, _, region = url.partition("@")
        self.region = region or REGION
        self.session = boto3.Session(key, secret, region_name=self.region)
        self.clients, self.raw = {}, b""
        self.account = self.client("sts").get_caller_identity()["Account"]

    def client(self, service):
        if service not in self.clients:
            client = self.session.client(service, endpoint_url=self.url, config=CONFIG)
            client.meta.events.register("after-call", self.keep_raw)
            client.meta.events.register("provide-client-params.s3.CreateBucket", self.place_bucket)
            self.clients[service] = client
        return self.clients[service]

    def place_bucket(self, params, **_):
        """Names the region of a bucket, as every region but `us-east-1` demands."""
        settings = params.get("CreateBucketConfiguration", {})
        if self.region == REGION or "LocationConstraint" in settings:
            return None
        return params | {"CreateBucketConfiguration": settings | {"LocationConstraint": self.region}}

    def keep_raw(self, http_response, model, **_):
        self.raw = b"" if model.has_streaming_output else http_response.content


class Script:
    """What a case does, step by step."""

    def __init__(self, server, case, ours):
        self.server, self.case, self.ours = server, case, ours
        self.account, self.region = server.account, server.region
        # By step: the answer, and the row of `aws-errors.tsv` that it should be.
        self.answers, self.rows = {}, {}
        self.names = {server.account: "{account}", server.url: "{url}", server.url.split("//")[1]: "{host}"}
        if server.region != REGION:
            self.names[server.region] = REGION

    def name(self, value, word):
        """Has a value that every server chooses for itself told as `{word}` from now on; gives the value."""
        if value:
            self.names[str(value)] = "{" + word + "}"
        return value

    def do(self, step, call, show=None, aws=None, **members):
        """Makes a call `service.operation`, and keeps the answer: of a success its status, the name of its XML, and what the
        expression `show` takes out of it.

        `aws` names the row of `aws-errors.tsv` that says what AWS answers: its situation, or operation and situation.
        Gives the answer, or an empty one when the call was refused.
        """
        service, method = call.split(".")
        client = self.server.client(service)
        if aws:
            operation = client.meta.method_to_api_mapping[method]
            self.rows[step] = (service, *(aws if isinstance(aws, tuple) else (operation, aws)))
        self.server.raw = b""
        try:
            answer = getattr(client, method)(**members)
        except ClientError as error:
            self.keep(step, *self.refusal(error))
            return {}
        except (BotoCoreError, ResponseParserError) as error:
            self.keep(step, "-", type(error).__name__)
            return {}
        # What is of the transport is told by its status alone.
        metadata = answer.pop("ResponseMetadata")
        protocol = client.meta.service_model.protocol
        root = XML.search(self.server.raw) if "json" not in protocol else None
        words = [root.group(1).decode()] if root else []
        shown = jmespath.search(show, answer) if show else None
        if show:
            words.append(json.dumps(shown, sort_keys=True, default=str))
        self.keep(step, metadata["HTTPStatusCode"], " ".join(words))
        return answer

    def set(self, call, **members):
        """Makes a call that is no step but what steps need. Ours must succeed; gives the answer, or an empty one."""
        answer, error = self.ask(call, members)
        if error and self.ours:
            raise error
        return answer

    def look(self, call, **members):
        """Makes a call that is no step, and may be refused; gives the answer, or an empty one."""
        return self.ask(call, members)[0]

    def ask(self, call, members):
        service, method = call.split(".")
        try:
            return getattr(self.server.client(service), method)(**members), None
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            return {}, error

    def refusal(self, error):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if "<html" in message or "<!doctype" in message or "Traceback" in message:
            return status, "(a page for people)"
        return status, f"{code}: {message}"

    def new(self, word):
        """A name that no step before has used: what one server refuses, another may have made."""
        return self.name(f"conf-{word}-{len(self.answers)}", "new")

    def note(self, step, words, aws=None):
        """Keeps what no call tells."""
        if aws:
            self.rows[step] = aws
        self.keep(step, words)

    def keep(self, step, *words):
        assert step not in self.answers, f"{self.case}: step `{step}` is there twice"
        text = " ".join(str(word) for word in words if word != "")
        for value, word in sorted(self.names.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(value, word)
        text = UUID.sub("{uuid}", text)
        self.answers[step] = LONG_RUN.sub(r"\1…", LONG_SET.sub(r"\1…]", text))
