"""Functions, their settings and who may invoke them."""

import base64
import hashlib
import io
import json
import time
import zipfile

ROLE = "conf-lambda"
SHOWN = (
    "{name: FunctionName, arn: FunctionArn, runtime: Runtime, handler: Handler, role: Role, memory: MemorySize,"
    " timeout: Timeout, on: Architectures, variables: Environment.Variables, package: PackageType, version: Version}"
)
ABSENT = "conf-absent"


def _zip(text="#!/bin/sh\nexit 1\n"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("bootstrap", (2020, 1, 1, 0, 0, 0))
        info.external_attr = 0o755 << 16
        archive.writestr(info, text)
    return file.getvalue()


ZIP = _zip()
OTHER_ZIP = _zip("#!/bin/sh\nexit 2\n")


def _role(do, service="lambda.amazonaws.com", name=ROLE):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    do.set("iam.create_role", RoleName=name, AssumeRolePolicyDocument=document)


def _wanted(do, name, **more):
    role = f"arn:aws:iam::{do.account}:role/{ROLE}"
    code = {"ZipFile": ZIP}
    return {"FunctionName": name, "Role": role, "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": code, **more}


def _settled(do, name):
    """Waits until it is neither made nor changed any more."""
    for _ in range(300):
        live = do.set("lambda.get_function_configuration", FunctionName=name)
        if live.get("State") != "Pending" and live.get("LastUpdateStatus") != "InProgress":
            return
        time.sleep(0.1)
    raise TimeoutError(name)


def _function(do, name, **more):
    do.set("lambda.create_function", **_wanted(do, name, **more))
    _settled(do, name)
    return {"FunctionName": name}


def _end(do, name=None):
    if name:
        do.set("lambda.delete_function", FunctionName=name)
    do.set("iam.delete_role", RoleName=ROLE)


def functions(do):
    _role(do)
    name, one = "conf-function", {"FunctionName": "conf-function"}
    wanted = _wanted(do, name, MemorySize=256, Timeout=28, Environment={"Variables": {"ONE": "1"}}, Tags={"a": "1"})
    do.do("create", "lambda.create_function", SHOWN, **wanted)
    _settled(do, name)
    do.do("create again", "lambda.create_function", aws="name already used", **wanted)
    do.do("get", "lambda.get_function", f"Configuration.{SHOWN}", **one)
    do.do("tags", "lambda.get_function", "Tags", **one)
    do.do("where the code is", "lambda.get_function", "{type: Code.RepositoryType, is: Code.Location != null}", **one)
    do.do("configuration", "lambda.get_function_configuration", SHOWN, **one)
    state = "{state: State, update: LastUpdateStatus, revised: RevisionId != null, size: CodeSize, limit: EphemeralStorage.Size}"
    do.do("state", "lambda.get_function_configuration", state, **one)
    sha256 = base64.b64encode(hashlib.sha256(ZIP).digest()).decode()
    do.do("code", "lambda.get_function_configuration", f"CodeSha256 == '{sha256}'", **one)
    do.do("by ARN", "lambda.get_function_configuration", "FunctionName", FunctionName=f"arn:aws:lambda:{do.region}:{do.account}:function:{name}")
    do.do("list", "lambda.list_functions", "Functions[?FunctionName == 'conf-function'].[FunctionName, Timeout]")
    do.do("change", "lambda.update_function_configuration", "{memory: MemorySize, update: LastUpdateStatus}", MemorySize=512, **one)
    _settled(do, name)
    do.do("left as it was", "lambda.get_function_configuration", SHOWN, **one)
    do.do("try other code", "lambda.update_function_code", None, ZipFile=OTHER_ZIP, DryRun=True, **one)
    _settled(do, name)
    do.do("only tried", "lambda.get_function_configuration", f"CodeSha256 == '{sha256}'", **one)
    do.do("put other code", "lambda.update_function_code", f"CodeSha256 == '{sha256}'", ZipFile=OTHER_ZIP, **one)
    _settled(do, name)
    stale = {"RevisionId": "00000000-0000-0000-0000-000000000000", **one}
    do.do("code of a stale revision", "lambda.update_function_code", aws="RevisionId stale", ZipFile=ZIP, **stale)
    do.do("change a stale revision", "lambda.update_function_configuration", MemorySize=128, **stale)
    do.do("delete", "lambda.delete_function", **one)
    do.do("delete again", "lambda.delete_function", aws="absent", **one)
    do.do("deleted", "lambda.get_function", aws="absent", **one)
    do.do("configuration of an absent one", "lambda.get_function_configuration", **one)
    do.do("change an absent one", "lambda.update_function_configuration", MemorySize=128, **one)
    do.do("code of an absent one", "lambda.update_function_code", ZipFile=ZIP, **one)
    do.do("invoke an absent one", "lambda.invoke", **one)
    _end(do)


def in_transit(do):
    _role(do)
    name, one = "conf-transit", {"FunctionName": "conf-transit"}
    do.do("create", "lambda.create_function", "{state: State, code: StateReasonCode, why: StateReason, update: LastUpdateStatus}", **_wanted(do, name))
    do.do("invoke before it is active", "lambda.invoke", "FunctionError", aws="function Pending", **one)
    do.do("change before it is active", "lambda.update_function_configuration", "MemorySize", MemorySize=256, **one)
    _settled(do, name)
    shown = "{state: State, update: LastUpdateStatus, code: LastUpdateStatusReasonCode}"
    do.do("change", "lambda.update_function_configuration", shown, MemorySize=512, **one)
    busy = "update in progress"
    do.do("change at once again", "lambda.update_function_configuration", "MemorySize", aws=busy, MemorySize=128, **one)
    do.do("code at once", "lambda.update_function_code", None, aws=busy, ZipFile=OTHER_ZIP, **one)
    _settled(do, name)
    do.do("what came of it", "lambda.get_function_configuration", "MemorySize", **one)
    do.do("that it fails", "lambda.invoke", "FunctionError", **one)
    _end(do, name)


def wrong_functions(do):
    _role(do)
    _role(do, "ec2.amazonaws.com", "conf-stranger")
    made = ["n" * 65]

    def wanted(**more):
        made.append(do.new("wrong"))
        return _wanted(do, made[-1], **more)

    create = "lambda.create_function"
    arn = f"arn:aws:iam::{do.account}:role/"
    do.do("absent role", create, aws="role not assumable", **wanted(Role=f"{arn}conf-absent"))
    do.do("role of others", create, aws="role not assumable", **wanted(Role=f"{arn}conf-stranger"))
    do.do("no role", create, aws="role ARN malformed", **wanted(Role="nobody"))
    do.do("unknown runtime", create, aws="runtime unknown", **wanted(Runtime="rust1"))
    do.do("old runtime", create, aws="runtime retired (provided, go1.x, ...)", **wanted(Runtime="provided"))
    do.do("both machines", create, aws="two architectures", **wanted(Architectures=["x86_64", "arm64"]))
    do.do("no zip", create, aws="zip corrupt", **wanted(Code={"ZipFile": b"nonsense"}))
    do.do("no code", create, **wanted(Code={}))
    large = {"Variables": {"ONE": "x" * 5000}}
    do.do("large environment", create, aws="environment > 4 KB", **wanted(Environment=large))
    do.do("reserved variable", create, **wanted(Environment={"Variables": {"AWS_REGION": "here"}}))
    do.do("short variable", create, **wanted(Environment={"Variables": {"A": "x"}}))
    do.do("bad variable", create, **wanted(Environment={"Variables": {"1A": "x"}}))
    do.do("long name", create, aws="name > 64", **{**wanted(), "FunctionName": "n" * 65})
    do.do("many tags", create, aws="> 50 tags", **wanted(Tags={f"k{n}": "" for n in range(51)}))
    do.do("absent bucket", create, aws="code bucket absent", **wanted(Code={"S3Bucket": "conf-absent-code", "S3Key": "k"}))
    do.set("s3.create_bucket", Bucket="conf-code")
    do.do("absent object", create, aws="code key absent", **wanted(Code={"S3Bucket": "conf-code", "S3Key": "k"}))
    do.set("s3.put_object", Bucket="conf-code", Key="k", Body=ZIP)
    do.do("code in a bucket", create, "CodeSize", **_wanted(do, "conf-in-bucket", Code={"S3Bucket": "conf-code", "S3Key": "k"}))
    do.do("little memory", create, **wanted(MemorySize=64))
    do.do("much memory", create, **wanted(MemorySize=10241))
    do.do("long limit", create, **wanted(Timeout=901))
    do.do("no limit", create, **wanted(Timeout=0))
    elsewhere = f"arn:aws:lambda:eu-west-1:{do.account}:function:conf-absent"
    do.do("of another region", "lambda.get_function", aws="ARN of another region", FunctionName=elsewhere)
    do.set("lambda.delete_function", FunctionName="conf-in-bucket")
    for name in made:
        do.look("lambda.delete_function", FunctionName=name)
    do.set("s3.delete_object", Bucket="conf-code", Key="k")
    do.set("s3.delete_bucket", Bucket="conf-code")
    do.set("iam.delete_role", RoleName="conf-stranger")
    _end(do)


def permissions(do):
    _role(do)
    one = _function(do, "conf-permission")
    api = f"arn:aws:execute-api:{do.region}:{do.account}:abcdefghij/*/POST/"
    statement = {"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "SourceArn": api, "SourceAccount": do.account}
    do.do("none", "lambda.get_policy", aws="no policy or no function", **one)
    do.do("remove from none", "lambda.remove_permission", aws="function has no policy", StatementId="runner", **one)
    added = do.do("add", "lambda.add_permission", None, StatementId="runner", **statement, **one)
    do.note("statement", json.dumps(json.loads(added.get("Statement", "null")), sort_keys=True))
    do.do("add again", "lambda.add_permission", aws="statement id already present", StatementId="runner", **statement, **one)
    got = do.do("get", "lambda.get_policy", "RevisionId != null", **one)
    policy = json.loads(got.get("Policy", "{}"))
    do.note("policy", json.dumps({key: policy.get(key) for key in ("Version", "Id")}))
    do.note("statements", json.dumps([statement["Sid"] for statement in policy.get("Statement", [])]))
    stale = {"RevisionId": "00000000-0000-0000-0000-000000000000", **one}
    do.do("add to a stale revision", "lambda.add_permission", aws="RevisionId stale", StatementId="other", **statement, **stale)
    nobody = {**statement, "Principal": "nobody.example"}
    do.do("to nobody", "lambda.add_permission", None, aws="principal invalid", StatementId="nobody", **nobody, **one)
    do.do("to the latest", "lambda.add_permission", None, aws="qualifier $LATEST", Qualifier="$LATEST", StatementId="other", **statement, **one)
    do.do("bad id", "lambda.add_permission", None, aws="statement id pattern", StatementId="a b", **statement, **one)
    do.do("remove an absent one", "lambda.remove_permission", aws="statement absent", StatementId="absent", **one)
    do.do("remove", "lambda.remove_permission", StatementId="runner", **one)
    do.do("removed", "lambda.get_policy", aws="no policy or no function", **one)
    absent = {"FunctionName": ABSENT}
    do.do("of an absent function", "lambda.get_policy", aws="no policy or no function", **absent)
    do.do("add to an absent function", "lambda.add_permission", aws="function absent", StatementId="runner", **statement, **absent)
    do.do("remove from an absent function", "lambda.remove_permission", aws="function absent", StatementId="runner", **absent)
    _end(do, "conf-permission")


def tags(do):
    _role(do)
    _function(do, "conf-lambda-tags", Tags={"a": "1"})
    arn = f"arn:aws:lambda:{do.region}:{do.account}:function:"
    one = {"Resource": f"{arn}conf-lambda-tags"}
    do.do("list", "lambda.list_tags", "Tags", **one)
    do.do("add", "lambda.tag_resource", Tags={"a": "2", "b": "3"}, **one)
    do.do("remove", "lambda.untag_resource", TagKeys=["a", "absent"], **one)
    do.do("left", "lambda.list_tags", "Tags", **one)
    do.do("none", "lambda.tag_resource", aws="empty tag map", Tags={}, **one)
    do.do("many", "lambda.tag_resource", Tags={f"k{n}": "" for n in range(51)}, **one)
    do.do("of a version", "lambda.tag_resource", aws="version or alias ARN", Resource=f"{arn}conf-lambda-tags:1", Tags={"a": "1"})
    absent = {"Resource": f"{arn}{ABSENT}"}
    do.do("of an absent one", "lambda.list_tags", **absent)
    do.do("add to an absent one", "lambda.tag_resource", aws="function absent", Tags={"a": "1"}, **absent)
    _end(do, "conf-lambda-tags")


def concurrency(do):
    _role(do)
    one = _function(do, "conf-concurrency")
    do.do("none", "lambda.get_function_concurrency", "@", **one)
    do.do("put", "lambda.put_function_concurrency", ReservedConcurrentExecutions=1, **one)
    do.do("get", "lambda.get_function_concurrency", "@", **one)
    starve = "would starve the unreserved pool"
    do.do("all", "lambda.put_function_concurrency", aws=starve, ReservedConcurrentExecutions=1000, **one)
    do.do("delete", "lambda.delete_function_concurrency", **one)
    do.do("deleted", "lambda.get_function_concurrency", "@", **one)
    do.do("of an absent one", "lambda.put_function_concurrency", FunctionName=ABSENT, ReservedConcurrentExecutions=1)
    _end(do, "conf-concurrency")


def pages(do):
    _role(do)
    for n in range(3):
        _function(do, f"conf-page-{n}")
    shown = "{n: length(Functions), more: NextMarker != null}"
    first = do.do("first page", "lambda.list_functions", shown, MaxItems=2)
    do.do("next page", "lambda.list_functions", "length(Functions) > `0`", MaxItems=2, Marker=first.get("NextMarker", ""))
    do.do("no page", "lambda.list_functions", shown, MaxItems=0)
    for n in range(3):
        do.set("lambda.delete_function", FunctionName=f"conf-page-{n}")
    _end(do)
