"""The function in Python: boto3's client, the Runtime API asked by the standard library, the same checks and answer.

AWS's own runtime interface client imports more than this, so a real function starts a little later.
"""

import http.client
import json
import os

import boto3

FEATURES = os.environ["FEATURES"].split(",")
THRESHOLD = float(os.environ["THRESHOLD"])
client = boto3.client("sagemaker-runtime")


def answer(event):
    given = json.loads(event["body"])
    if set(given) != set(FEATURES):
        return {"statusCode": 400, "body": json.dumps({"error": "the body has other features"})}
    row = ",".join("" if given[name] is None else repr(float(given[name])) for name in FEATURES)
    reply = client.invoke_endpoint(
        EndpointName=os.environ["ENDPOINT_NAME"], ContentType="text/csv", Accept="text/csv", Body=row
    )
    score = float(reply["Body"].read())
    body = {os.environ["DECISION_FIELD"]: score >= THRESHOLD, os.environ["SCORE_FIELD"]: score}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = runtime.getresponse()
    request_id = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    response = json.dumps(answer(json.loads(invocation.read())))
    runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", response)
    runtime.getresponse().read()
