"""boto3's own waiters and paginators against the local cloud: every one whose operation it has.

    python boto.py http://127.0.0.1:1

The environment gives key, secret and `MODEL_ARCHIVE`. What the local cloud learns must be added here: an operation that it
knows and that is neither waited by nor paged here is a failure.
"""

import json
import os
import pathlib
import sys
import threading
import time

import issuer
from botocore import xform_name
from botocore.exceptions import ClientError, WaiterError
from cases import apigateway, awslambda, ecr, sagemaker
from script import Script, Server

# How a service says that it has no such operation.
UNKNOWN = {"InvalidAction", "NotImplemented", "UnknownOperationException"}
# Operations that are told apart from others by nothing that the local cloud looks at, and are of other kinds of bucket.
OTHERS = {("s3", "list_directory_buckets"), ("s3", "list_object_annotations")}
# Alarms of kinds that the local cloud does not have.
OTHER_ALARMS = {("cloudwatch", "composite_alarm_exists"), ("cloudwatch", "log_alarm_exists")}
PACE = {"Delay": 0.1, "MaxAttempts": 300}
PAGE = 2
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
SERVICES = [
    "sts", "iam", "s3", "ecr", "logs", "lambda", "apigatewayv2", "sagemaker", "sagemaker-runtime",
    "cloudwatch", "application-autoscaling", "service-quotas",
]


class Waits:
    """Waiters: each is begun before what it waits for is so, and ends when it is."""

    def __init__(self, do):
        self.do, self.done = do, set()

    def wait(self, service, waiter, change, **members):
        """Changes what is waited for while the waiter waits."""
        later = threading.Timer(0.3, change)
        began = time.monotonic()
        later.start()
        self.do.server.client(service).get_waiter(waiter).wait(WaiterConfig=PACE, **members)
        took = time.monotonic() - began
        later.join()
        assert took >= 0.25, f"{waiter} did not wait: {took:.2f} s"
        self.done.add((service, waiter))

    def fails(self, service, waiter, **members):
        try:
            self.do.server.client(service).get_waiter(waiter).wait(WaiterConfig=PACE, **members)
        except WaiterError:
            return
        raise AssertionError(f"{waiter} found {members}")

    def run(self):
        do, bucket = self.do, {"Bucket": "wait-bucket"}
        self.wait("s3", "bucket_exists", lambda: do.set("s3.create_bucket", **bucket), **bucket)
        key = {"Key": "k", **bucket}
        self.wait("s3", "object_exists", lambda: do.set("s3.put_object", Body=b"", **key), **key)
        self.wait("s3", "object_not_exists", lambda: do.set("s3.delete_object", **key), **key)
        self.wait("s3", "bucket_not_exists", lambda: do.set("s3.delete_bucket", **bucket), **bucket)
        self.wait("iam", "role_exists", lambda: awslambda._role(do), RoleName=awslambda.ROLE)
        self.functions()
        do.set("iam.delete_role", RoleName=awslambda.ROLE)
        arn = f"arn:aws:iam::{do.account}:policy/wait"
        made = {"PolicyName": "wait", "PolicyDocument": POLICY}
        self.wait("iam", "policy_exists", lambda: do.set("iam.create_policy", **made), PolicyArn=arn)
        do.set("iam.delete_policy", PolicyArn=arn)
        alarm = lambda: do.set("cloudwatch.put_metric_alarm", **_alarm("wait"))
        self.wait("cloudwatch", "alarm_exists", alarm, AlarmNames=["wait"])
        do.set("cloudwatch.delete_alarms", AlarmNames=["wait"])
        self.endpoints()

    def functions(self):
        do, one = self.do, {"FunctionName": "wait-function"}
        wanted = awslambda._wanted(do, one["FunctionName"])
        self.wait("lambda", "function_exists", lambda: do.set("lambda.create_function", **wanted), **one)
        # It is pending for a while longer, and in progress after each change.
        for active, updated in [("function_active_v2", "function_updated_v2"), ("function_active", "function_updated")]:
            self.settles("lambda", active, one)
            do.set("lambda.update_function_configuration", MemorySize=256, **one)
            self.settles("lambda", updated, one)
            do.set("lambda.delete_function", **one)
            do.set("lambda.create_function", **wanted)
        self.settles("lambda", "published_version_active", one)
        do.set("lambda.delete_function", **one)

    def settles(self, service, waiter, members):
        """Waits for what the local cloud itself takes its time for."""
        self.do.server.client(service).get_waiter(waiter).wait(WaiterConfig=PACE, **members)
        self.done.add((service, waiter))

    def endpoints(self):
        do = self.do
        role = sagemaker._role(do)
        sagemaker._model(do, "wait-model", role)
        sagemaker._config(do, "wait-config", "wait-model")
        one = {"EndpointName": "wait-endpoint"}
        self.fails("sagemaker", "endpoint_in_service", **one)
        do.set("sagemaker.create_endpoint", EndpointConfigName="wait-config", **one)
        self.settles("sagemaker", "endpoint_in_service", one)
        assert do.set("sagemaker.describe_endpoint", **one)["EndpointStatus"] == "InService"
        self.wait("sagemaker", "endpoint_deleted", lambda: do.set("sagemaker.delete_endpoint", **one), **one)
        do.set("sagemaker.delete_endpoint_config", EndpointConfigName="wait-config")
        do.set("sagemaker.delete_model", ModelName="wait-model")
        _job(do, role, "wait-job")
        self.settles("sagemaker", "training_job_completed_or_stopped", {"TrainingJobName": "wait-job"})
        assert do.set("sagemaker.describe_training_job", TrainingJobName="wait-job")["TrainingJobStatus"] == "Completed"
        for key in ["rows.csv", "output/wait-job/output/model.tar.gz"]:
            do.set("s3.delete_object", Bucket=sagemaker.BUCKET, Key=key)
        sagemaker._end(do)


class Pages:
    """Paginators: pages so small that there are several, and all of it in them."""

    def __init__(self, do):
        self.do, self.done = do, set()

    def page(self, call, key, wanted, several=True, **members):
        """Pages through an operation: its pages together must hold what is wanted, each once."""
        service, method = call.split(".")
        paginator = self.do.server.client(service).get_paginator(method)
        pages = list(paginator.paginate(PaginationConfig={"PageSize": PAGE if several else 50}, **members))
        found = [item if isinstance(item, str) else item[key[1]] for page in pages for item in page.get(key[0]) or []]
        assert sorted(found) == sorted(wanted), f"{call}: {found}, and not {wanted}"
        if several:
            assert len(pages) == -(-len(wanted) // PAGE), f"{call}: {len(wanted)} items in {len(pages)} pages"
        self.done.add((service, method))

    def run(self):
        parts = [self.roles, self.buckets, self.images, self.groups, self.functions, self.apis, self.models]
        for part in [*parts, self.alarms, self.quotas]:
            part()

    def roles(self):
        do, names = self.do, [f"page-{n}" for n in range(5)]
        trust = json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
        ]})
        for name in names:
            do.set("iam.create_role", RoleName=name, Path="/page/", AssumeRolePolicyDocument=trust)
            do.set("iam.put_role_policy", RoleName=names[0], PolicyName=name, PolicyDocument=POLICY)
            do.set("iam.create_policy", PolicyName=name, PolicyDocument=POLICY)
            do.set("iam.attach_role_policy", RoleName=names[0], PolicyArn=f"arn:aws:iam::{do.account}:policy/{name}")
        do.set("iam.tag_role", RoleName=names[0], Tags=[{"Key": name, "Value": ""} for name in names])
        one = {"RoleName": names[0]}
        self.page("iam.list_roles", ("Roles", "RoleName"), names, PathPrefix="/page/")
        self.page("iam.list_role_policies", ("PolicyNames",), names, **one)
        self.page("iam.list_role_tags", ("Tags", "Key"), names, **one)
        self.page("iam.list_attached_role_policies", ("AttachedPolicies", "PolicyName"), names, **one)
        self.page("iam.list_policies", ("Policies", "PolicyName"), names, Scope="Local")
        policy = {"PolicyArn": f"arn:aws:iam::{do.account}:policy/{names[0]}"}
        do.set("iam.tag_policy", Tags=[{"Key": name, "Value": ""} for name in names], **policy)
        versions = [f"v{n}" for n in range(2, 6)]
        for name, _ in zip(names[1:], versions):
            do.set("iam.attach_role_policy", RoleName=name, **policy)
            do.set("iam.create_policy_version", PolicyDocument=POLICY, **policy)
        self.page("iam.list_entities_for_policy", ("PolicyRoles", "RoleName"), names, **policy)
        self.page("iam.list_policy_tags", ("Tags", "Key"), names, **policy)
        self.page("iam.list_policy_versions", ("Versions", "VersionId"), ["v1", *versions], **policy)
        for name, version in zip(names[1:], versions):
            do.set("iam.detach_role_policy", RoleName=name, **policy)
            do.set("iam.delete_policy_version", VersionId=version, **policy)
        role = f"arn:aws:iam::{do.account}:role/page/{names[0]}"
        actions = [f"s3:Get{n}" for n in range(5)]
        asked = {"PolicySourceArn": role, "ActionNames": actions}
        self.page("iam.simulate_principal_policy", ("EvaluationResults", "EvalActionName"), actions, **asked)
        self.page("iam.list_instance_profiles_for_role", ("InstanceProfiles",), [], several=False, **one)
        for name in names:
            do.set("iam.delete_role_policy", RoleName=names[0], PolicyName=name)
            arn = f"arn:aws:iam::{do.account}:policy/{name}"
            do.set("iam.detach_role_policy", RoleName=names[0], PolicyArn=arn)
            do.set("iam.delete_policy", PolicyArn=arn)
        for name in names:
            do.set("iam.delete_role", RoleName=name)

    def buckets(self):
        do, keys, names = self.do, [f"page/{n}" for n in range(5)], [f"page-bucket-{n}" for n in range(5)]
        for name in names:
            do.set("s3.create_bucket", Bucket=name)
        bucket = {"Bucket": names[0]}
        do.set("s3.put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"}, **bucket)
        uploads = {}
        for key in keys:
            do.set("s3.put_object", Key=key, Body=b"", **bucket)
            uploads[key] = do.set("s3.create_multipart_upload", Key=key, **bucket)["UploadId"]
        for number in range(1, 6):
            do.set("s3.upload_part", Key=keys[0], UploadId=uploads[keys[0]], PartNumber=number, Body=b"", **bucket)
        self.page("s3.list_buckets", ("Buckets", "Name"), names, Prefix="page-bucket-")
        self.page("s3.list_objects", ("Contents", "Key"), keys, **bucket)
        self.page("s3.list_objects_v2", ("Contents", "Key"), keys, **bucket)
        self.page("s3.list_object_versions", ("Versions", "Key"), keys, **bucket)
        self.page("s3.list_multipart_uploads", ("Uploads", "Key"), keys, **bucket)
        part = {"Key": keys[0], "UploadId": uploads[keys[0]]}
        self.page("s3.list_parts", ("Parts", "PartNumber"), [1, 2, 3, 4, 5], **part, **bucket)
        for key in keys:
            do.set("s3.abort_multipart_upload", Key=key, UploadId=uploads[key], **bucket)
        for version in do.set("s3.list_object_versions", **bucket)["Versions"]:
            do.set("s3.delete_object", Key=version["Key"], VersionId=version["VersionId"], **bucket)
        for name in names:
            do.set("s3.delete_bucket", Bucket=name)

    def images(self):
        do, names = self.do, [f"page/{n}" for n in range(5)]
        for name in names:
            do.set("ecr.create_repository", repositoryName=name)
        one = {"repositoryName": names[0]}
        for content in (ecr.LAYER, ecr.CONFIG):
            do.set("ecr.complete_layer_upload", layerDigests=[ecr._digest(content)], **ecr._put(do, one, content))
        # Another number of spaces is another image.
        images = [ecr._manifest(ecr.LAYER) + " " * n for n in range(5)]
        for manifest in images:
            do.set("ecr.put_image", imageManifest=manifest, imageManifestMediaType=ecr.KIND, **one)
        digests = [ecr._digest(manifest.encode()) for manifest in images]
        self.page("ecr.describe_repositories", ("repositories", "repositoryName"), names)
        self.page("ecr.describe_images", ("imageDetails", "imageDigest"), digests, **one)
        self.page("ecr.list_images", ("imageIds", "imageDigest"), digests, **one)
        for name in names:
            do.set("ecr.delete_repository", repositoryName=name, force=True)

    def groups(self):
        do, groups, names = self.do, [f"/page/{n}" for n in range(5)], [f"stream-{n}" for n in range(5)]
        for group in groups:
            do.set("logs.create_log_group", logGroupName=group)
        one, now = {"logGroupName": groups[0]}, int(time.time() * 1000)
        for name in names:
            do.set("logs.create_log_stream", logStreamName=name, **one)
            do.set("logs.put_log_events", logStreamName=name, logEvents=[{"timestamp": now, "message": name}], **one)
        self.page("logs.describe_log_groups", ("logGroups", "logGroupName"), groups, logGroupNamePrefix="/page/")
        self.page("logs.describe_log_streams", ("logStreams", "logStreamName"), names, **one)
        self.page("logs.filter_log_events", ("events", "message"), names, **one)
        for group in groups:
            do.set("logs.delete_log_group", logGroupName=group)

    def alarms(self):
        do, names = self.do, [f"page-{n}" for n in range(5)]
        for name in names:
            do.set("cloudwatch.put_metric_alarm", **_alarm(name))
            do.set("cloudwatch.put_metric_data", Namespace="Pages", MetricData=[{"MetricName": name, "Value": 1.0}])
        self.page("cloudwatch.describe_alarms", ("MetricAlarms", "AlarmName"), names)
        # There is no size of a page to ask for.
        listed = do.server.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace="Pages")
        assert sorted(metric["MetricName"] for page in listed for metric in page["Metrics"]) == names
        self.done.add(("cloudwatch", "list_metrics"))
        # All points are on one page.
        stat = {"Metric": {"Namespace": "Pages", "MetricName": names[0]}, "Period": 60, "Stat": "Sum"}
        now = time.time()
        asked = {"MetricDataQueries": [{"Id": "a", "MetricStat": stat}], "StartTime": now - 120, "EndTime": now + 120}
        read = do.server.client("cloudwatch").get_paginator("get_metric_data").paginate(**asked)
        assert [value for page in read for result in page["MetricDataResults"] for value in result["Values"]] == [1.0]
        self.done.add(("cloudwatch", "get_metric_data"))
        do.set("cloudwatch.delete_alarms", AlarmNames=names)

    def quotas(self):
        client = self.do.server.client("service-quotas")
        pages = list(client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker"))
        names = [quota["QuotaName"] for page in pages for quota in page["Quotas"]]
        assert len(pages) > 1 and len(set(names)) == len(names) > 100, f"{len(names)} quotas in {len(pages)} pages"
        self.done.add(("service-quotas", "list_service_quotas"))

    def functions(self):
        do, names = self.do, [f"page-function-{n}" for n in range(5)]
        awslambda._role(do)
        for name in names:
            do.set("lambda.create_function", **awslambda._wanted(do, name))
        self.page("lambda.list_functions", ("Functions", "FunctionName"), names)
        for name in names:
            awslambda._settled(do, name)
            do.set("lambda.delete_function", FunctionName=name)
        do.set("iam.delete_role", RoleName=awslambda.ROLE)

    def apis(self):
        do, made = self.do, [self.do.set("apigatewayv2.create_api", Name="page", ProtocolType="HTTP")["ApiId"] for _ in range(5)]
        api = {"ApiId": made[0]}
        function = f"arn:aws:lambda:us-east-1:{do.account}:function:absent"
        members = {"IntegrationType": "AWS_PROXY", "IntegrationUri": function, "PayloadFormatVersion": "2.0", **api}
        integrations = [do.set("apigatewayv2.create_integration", **members)["IntegrationId"] for _ in range(5)]
        routes = [f"GET /{n}" for n in range(5)]
        for route in routes:
            do.set("apigatewayv2.create_route", RouteKey=route, Target=f"integrations/{integrations[0]}", **api)
            do.set("apigatewayv2.create_stage", StageName=route[-1], **api)
        deployments = [do.set("apigatewayv2.create_deployment", **api)["DeploymentId"] for _ in range(5)]
        self.page("apigatewayv2.get_deployments", ("Items", "DeploymentId"), deployments, **api)
        self.page("apigatewayv2.get_apis", ("Items", "ApiId"), made)
        self.page("apigatewayv2.get_integrations", ("Items", "IntegrationId"), integrations, **api)
        with issuer.serving() as url:
            names = [f"page-{n}" for n in range(5)]
            for name in names:
                do.set("apigatewayv2.create_authorizer", **apigateway._authorizer(do, api, url, name))
            self.page("apigatewayv2.get_authorizers", ("Items", "Name"), names, **api)
        self.page("apigatewayv2.get_routes", ("Items", "RouteKey"), routes, **api)
        self.page("apigatewayv2.get_stages", ("Items", "StageName"), [route[-1] for route in routes], **api)
        for one in made:
            do.set("apigatewayv2.delete_api", ApiId=one)

    def models(self):
        do, names = self.do, [f"page-{n}" for n in range(5)]
        role = sagemaker._role(do)
        for name in names:
            sagemaker._model(do, name, role)
            sagemaker._config(do, name, names[0], InstanceType="ml.m5.large", InitialInstanceCount=1)
            do.set("sagemaker.create_endpoint", EndpointName=name, EndpointConfigName=name)
            _job(do, role, name)
        some = {"NameContains": "page-"}
        self.page("sagemaker.list_models", ("Models", "ModelName"), names, **some)
        self.page("sagemaker.list_endpoint_configs", ("EndpointConfigs", "EndpointConfigName"), names, **some)
        self.page("sagemaker.list_endpoints", ("Endpoints", "EndpointName"), names, **some)
        self.page("sagemaker.list_training_jobs", ("TrainingJobSummaries", "TrainingJobName"), names, **some)
        arn = f"arn:aws:sagemaker:us-east-1:{do.account}:model/{names[0]}"
        do.set("sagemaker.add_tags", ResourceArn=arn, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
        # A page holds at least as many as there can be.
        self.page("sagemaker.list_tags", ("Tags", "Key"), [f"k{n}" for n in range(50)], several=False, ResourceArn=arn)
        self.targets(names)
        for name in names:
            assert sagemaker._status(do, name) == "InService"
            do.set("sagemaker.delete_endpoint", EndpointName=name)
            assert sagemaker._status(do, name) == "gone"
            do.set("sagemaker.delete_endpoint_config", EndpointConfigName=name)
            do.set("sagemaker.delete_model", ModelName=name)
            self.do.server.client("sagemaker").get_waiter("training_job_completed_or_stopped").wait(
                TrainingJobName=name, WaiterConfig=PACE
            )
            do.set("s3.delete_object", Bucket=sagemaker.BUCKET, Key=f"output/{name}/output/model.tar.gz")
        do.set("s3.delete_object", Bucket=sagemaker.BUCKET, Key="rows.csv")
        sagemaker._end(do)

    def targets(self, endpoints):
        """Scalable targets of endpoints that are in service, on machines that can be scaled."""
        do, places = self.do, [f"endpoint/{name}/variant/main" for name in endpoints]
        for endpoint, place in zip(endpoints, places, strict=True):
            assert sagemaker._status(do, endpoint) == "InService"
            do.set("application-autoscaling.register_scalable_target", MinCapacity=1, MaxCapacity=2, **_scaled(place))
        policies = [f"page-{n}" for n in range(5)]
        metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
        tracking = {"TargetValue": 1000.0, "PredefinedMetricSpecification": metric}
        for name in policies:
            do.set(
                "application-autoscaling.put_scaling_policy", PolicyName=name, PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration=tracking, **_scaled(places[0]),
            )
        of = {"ServiceNamespace": "sagemaker"}
        call = "application-autoscaling.describe_"
        self.page(call + "scalable_targets", ("ScalableTargets", "ResourceId"), places, **of)
        self.page(call + "scaling_policies", ("ScalingPolicies", "PolicyName"), policies, **of)
        for place in places:
            do.set("application-autoscaling.deregister_scalable_target", **_scaled(place))


def _scaled(place):
    """What names a variant whose machines are scaled."""
    return {
        "ServiceNamespace": "sagemaker", "ResourceId": place, "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def _alarm(name):
    """An alarm that never rings."""
    metric = {"Namespace": "Pages", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    return {"AlarmName": name, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold", **metric}


def _job(do, role, name):
    """Begins a training job of a few rows."""
    rows = "".join(f"{row % 2},{row},{row % 7}\n" for row in range(40))
    do.set("s3.put_object", Bucket=sagemaker.BUCKET, Key="rows.csv", Body=rows.encode())
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{sagemaker.BUCKET}/rows.csv"}
    channel = {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
    do.set(
        "sagemaker.create_training_job",
        TrainingJobName=name,
        RoleArn=role,
        AlgorithmSpecification={"TrainingImage": sagemaker._image(do), "TrainingInputMode": "File"},
        HyperParameters={"num_round": "2", "objective": "binary:logistic"},
        InputDataConfig=[channel],
        OutputDataConfig={"S3OutputPath": f"s3://{sagemaker.BUCKET}/output"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )


def known(client, method, api):
    """Whether the local cloud has an operation: it does not say that there is none."""
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    members = {} if shape is None else {name: _some(shape.members[name]) for name in shape.required_members}
    if "ApiId" in members:
        members["ApiId"] = api
    try:
        getattr(client, method)(**members)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        return code not in UNKNOWN and "does not know" not in message
    return True


def _some(shape):
    """A value of a shape."""
    return {"string": "absent", "integer": 1, "long": 1, "double": 1.0, "timestamp": 1, "boolean": True, "list": [], "map": {}}.get(shape.type_name, {})


def missing(do, waited, paged):
    """Waiters and paginators of operations that the local cloud has, and that were not tried."""
    api = do.set("apigatewayv2.create_api", Name="known", ProtocolType="HTTP")["ApiId"]
    for service in SERVICES:
        client = do.server.client(service)
        waiters = client._get_waiter_config()["waiters"] if client.waiter_names else {}
        methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
        for name, waiter in waiters.items():
            method = xform_name(name)
            if (service, method) not in waited | OTHER_ALARMS and known(client, methods[waiter["operation"]], api):
                yield f"waiter {service} {method}"
        for method in filter(client.can_paginate, methods.values()):
            if (service, method) not in paged | OTHERS and known(client, method, api):
                yield f"paginator {service} {method}"
    do.set("apigatewayv2.delete_api", ApiId=api)


def main():
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    do = Script(Server("local", sys.argv[1], key, secret), "boto", ours=True)
    assert pathlib.Path(os.environ["MODEL_ARCHIVE"]).exists()
    waits, pages = Waits(do), Pages(do)
    waits.run()
    pages.run()
    left = list(missing(do, waits.done, pages.done))
    print(f"{len(waits.done)} waiters, {len(pages.done)} paginators")
    for what in left:
        print(f"not tried: {what}")
    sys.exit(bool(left))


if __name__ == "__main__":
    main()
