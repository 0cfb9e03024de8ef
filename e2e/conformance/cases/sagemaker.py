"""Models, endpoint configs, endpoints, training jobs."""

import json
import os
import pathlib
import time

BUCKET = "conf-sagemaker"
# Accounts of AWS's images, by region. Source: SageMaker, "Docker registry paths".
REGISTRIES = {"us-east-1": "683313688378", "ap-south-1": "720646828776"}
DATA = f"s3://{BUCKET}/model.tar.gz"


def _image(do):
    return f"{REGISTRIES[do.region]}.dkr.ecr.{do.region}.amazonaws.com/sagemaker-xgboost:1.7-1"


def _role(do):
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    policy = {"Effect": "Allow", "Action": ["s3:*", "ecr:*", "logs:*"], "Resource": "*"}
    document = lambda statement: json.dumps({"Version": "2012-10-17", "Statement": [statement]})  # noqa: E731
    do.set("iam.create_role", RoleName="conf-sagemaker", AssumeRolePolicyDocument=document(trust))
    do.set("iam.put_role_policy", RoleName="conf-sagemaker", PolicyName="all", PolicyDocument=document(policy))
    do.set("s3.create_bucket", Bucket=BUCKET)
    archive = pathlib.Path(os.environ["MODEL_ARCHIVE"]).read_bytes()
    do.set("s3.put_object", Bucket=BUCKET, Key="model.tar.gz", Body=archive)
    return f"arn:aws:iam::{do.account}:role/conf-sagemaker"


def _end(do):
    do.set("iam.delete_role_policy", RoleName="conf-sagemaker", PolicyName="all")
    do.set("iam.delete_role", RoleName="conf-sagemaker")
    do.set("s3.delete_object", Bucket=BUCKET, Key="model.tar.gz")
    do.set("s3.delete_bucket", Bucket=BUCKET)


def _model(do, name, role):
    container = {"Image": _image(do), "ModelDataUrl": DATA}
    do.set("sagemaker.create_model", ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)


def _variant(model, **more):
    machines = more or {"InstanceType": "ml.t2.medium", "InitialInstanceCount": 1}
    return {"VariantName": "main", "ModelName": model, **machines}


def _config(do, name, model, **more):
    do.set("sagemaker.create_endpoint_config", EndpointConfigName=name, ProductionVariants=[_variant(model, **more)])


def _status(do, name):
    """Waits until it is in transit no longer; its status, or that it is gone."""
    for _ in range(600):
        status = do.look("sagemaker.describe_endpoint", EndpointName=name).get("EndpointStatus", "gone")
        if status not in ("Creating", "Updating", "RollingBack", "Deleting", "SystemUpdating"):
            return status
        time.sleep(0.1)
    return "(still in transit)"


def models(do):
    role = _role(do)
    container = {"Image": _image(do), "ModelDataUrl": DATA, "Environment": {"A": "1"}}
    model = {"ModelName": "conf-model", "PrimaryContainer": container, "ExecutionRoleArn": role}
    do.do("create", "sagemaker.create_model", Tags=[{"Key": "a", "Value": "1"}], **model)
    do.do("create again", "sagemaker.create_model", aws="name already used", **model)
    shown = "{name: ModelName, image: PrimaryContainer.Image, data: PrimaryContainer.ModelDataUrl, variables: PrimaryContainer.Environment, role: ExecutionRoleArn, arn: ModelArn, alone: EnableNetworkIsolation}"
    do.do("describe", "sagemaker.describe_model", shown, ModelName="conf-model")
    do.do("list", "sagemaker.list_models", "Models[].[ModelName, ModelArn]", NameContains="conf-model")
    do.do("delete", "sagemaker.delete_model", ModelName="conf-model")
    do.do("delete again", "sagemaker.delete_model", aws="absent", ModelName="conf-model")
    do.do("deleted", "sagemaker.describe_model", aws="absent", ModelName="conf-model")
    _end(do)


def wrong_models(do):
    role = _role(do)
    container = {"Image": _image(do), "ModelDataUrl": DATA}
    model = {"ModelName": "conf-wrong", "PrimaryContainer": container, "ExecutionRoleArn": role}
    create = "sagemaker.create_model"
    nobody = role.replace("role/conf-sagemaker", "role/conf-absent")
    do.do("absent role", create, aws="execution role not assumable yet", **{**model, "ExecutionRoleArn": nobody})
    archive = "model archive unreadable or absent, or role just created"
    absent = {"Image": _image(do), "ModelDataUrl": f"s3://{BUCKET}/absent.tar.gz"}
    do.do("absent archive", create, aws=archive, **{**model, "PrimaryContainer": absent})
    untagged = {"Image": "nonsense", "ModelDataUrl": DATA}
    do.do("no image", create, aws="image without tag/digest or malformed", **{**model, "PrimaryContainer": untagged})
    do.do("bad name", create, aws="name breaks pattern/length", **{**model, "ModelName": "-" * 64})
    do.do("role that is no ARN", create, **{**model, "ExecutionRoleArn": "nobody"})
    do.do("no name", create, **{key: model[key] for key in model if key != "ModelName"})
    do.do("no container", create, ModelName="conf-wrong", ExecutionRoleArn=role)
    for name in ["conf-wrong", "-" * 64]:
        do.look("sagemaker.delete_model", ModelName=name)
    _end(do)


def configs(do):
    role = _role(do)
    _model(do, "conf-model", role)
    config = {"EndpointConfigName": "conf-config", "ProductionVariants": [_variant("conf-model")]}
    do.do("create", "sagemaker.create_endpoint_config", Tags=[{"Key": "a", "Value": "1"}], **config)
    do.do("create again", "sagemaker.create_endpoint_config", aws="name already used", **config)
    shown = "{name: EndpointConfigName, arn: EndpointConfigArn, variants: ProductionVariants[].[VariantName, ModelName, InstanceType, InitialInstanceCount, InitialVariantWeight]}"
    do.do("describe", "sagemaker.describe_endpoint_config", shown, EndpointConfigName="conf-config")
    do.do("list", "sagemaker.list_endpoint_configs", "EndpointConfigs[].EndpointConfigName", NameContains="conf-config")
    serverless = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
    other = {"EndpointConfigName": "conf-serverless", "ProductionVariants": [_variant("conf-model", **serverless)]}
    do.do("serverless", "sagemaker.create_endpoint_config", **other)
    do.do("describe the serverless", "sagemaker.describe_endpoint_config", "ProductionVariants[].ServerlessConfig", EndpointConfigName="conf-serverless")
    wrong = lambda variant: {"EndpointConfigName": "conf-wrong", "ProductionVariants": [variant]}  # noqa: E731
    create = "sagemaker.create_endpoint_config"
    do.do("absent model", create, aws="model absent", **wrong(_variant("conf-absent")))
    unknown = _variant("conf-model", InstanceType="ml.none", InitialInstanceCount=1)
    do.do("unknown machine", create, aws="instance type outside the enum", **wrong(unknown))
    odd = _variant("conf-model", ServerlessConfig={"MemorySizeInMB": 1000, "MaxConcurrency": 5})
    do.do("odd memory", create, aws="serverless memory invalid", **wrong(odd))
    many = _variant("conf-model", ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 201})
    do.do("too much at once", create, **wrong(many))
    do.do("no machine", create, **wrong(_variant("conf-model", InstanceType="ml.t2.medium", InitialInstanceCount=0)))
    do.do("no variant", create, EndpointConfigName="conf-wrong", ProductionVariants=[])
    do.do("delete the model in use", "sagemaker.delete_model", ModelName="conf-model")
    do.do("delete", "sagemaker.delete_endpoint_config", EndpointConfigName="conf-config")
    do.do("delete the serverless", "sagemaker.delete_endpoint_config", EndpointConfigName="conf-serverless")
    do.do("delete again", "sagemaker.delete_endpoint_config", aws="absent", EndpointConfigName="conf-config")
    do.do("deleted", "sagemaker.describe_endpoint_config", aws="absent", EndpointConfigName="conf-config")
    _end(do)


def endpoints(do):
    role = _role(do)
    _model(do, "conf-model", role)
    for name in ("conf-one", "conf-two"):
        _config(do, name, "conf-model")
    _config(do, "conf-serverless", "conf-model", ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 1})
    one = {"EndpointName": "conf-endpoint"}
    create, describe, update = "sagemaker.create_endpoint", "sagemaker.describe_endpoint", "sagemaker.update_endpoint"
    absent = "config absent or just created"
    do.do("of an absent config", create, aws=absent, EndpointConfigName="conf-absent", **one)
    do.do("create", create, EndpointConfigName="conf-one", Tags=[{"Key": "a", "Value": "1"}], **one)
    do.do("at first", describe, "EndpointStatus", **one)
    do.do("create again", create, aws="name already used (any status)", EndpointConfigName="conf-one", **one)
    do.do("update too early", update, aws="another update in flight", EndpointConfigName="conf-two", **one)
    do.do("invoke too early", "sagemaker-runtime.invoke_endpoint", None, aws="endpoint absent or not in service", Body=b"1", **one)
    do.note("settled", _status(do, "conf-endpoint"))
    shown = "{name: EndpointName, arn: EndpointArn, config: EndpointConfigName, status: EndpointStatus, why: FailureReason, variants: ProductionVariants[].[VariantName, CurrentInstanceCount, DesiredInstanceCount]}"
    do.do("describe", describe, shown, **one)
    do.do("list", "sagemaker.list_endpoints", "Endpoints[].[EndpointName, EndpointStatus]", NameContains="conf-endpoint")
    wrong = {"ContentType": "text/csv", "Body": b"no,number", **one}
    do.do("invoke wrongly", "sagemaker-runtime.invoke_endpoint", None, aws="container 4xx", **wrong)
    weights = "sagemaker.update_endpoint_weights_and_capacities"
    do.do("weigh", weights, DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredWeight": 0.5}], **one)
    do.do("weigh again at once", weights, aws="another update in flight", DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredWeight": 1.0}], **one)
    do.note("weighed", _status(do, "conf-endpoint"))
    do.do("update to an absent config", update, aws="new config absent or just created", EndpointConfigName="conf-absent", **one)
    do.do("update", update, EndpointConfigName="conf-two", **one)
    do.do("while it is updated", describe, "[EndpointStatus, EndpointConfigName]", **one)
    do.do("update again at once", update, aws="another update in flight", EndpointConfigName="conf-one", **one)
    do.note("updated", _status(do, "conf-endpoint"))
    do.do("what serves", describe, "[EndpointStatus, EndpointConfigName, FailureReason]", **one)
    serverless = "instance endpoint to serverless"
    do.do("to serverless", update, aws=serverless, EndpointConfigName="conf-serverless", **one)
    do.set("sagemaker.delete_endpoint_config", EndpointConfigName="conf-two")
    attached = "currently attached config was deleted"
    do.do("update without the attached config", update, aws=attached, EndpointConfigName="conf-one", **one)
    do.do("delete", "sagemaker.delete_endpoint", **one)
    do.note("deleted", _status(do, "conf-endpoint"))
    do.do("delete again", "sagemaker.delete_endpoint", aws="absent", **one)
    do.do("describe an absent one", describe, aws="absent", **one)
    do.do("update an absent one", update, aws="endpoint absent", EndpointConfigName="conf-one", **one)
    do.do("weigh an absent one", weights, DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredWeight": 1.0}], **one)
    do.do("invoke an absent one", "sagemaker-runtime.invoke_endpoint", None, aws="endpoint absent or not in service", Body=b"1", **one)
    do.set("sagemaker.delete_model", ModelName="conf-model")
    do.do("of an absent model", create, aws="model behind config absent", EndpointConfigName="conf-one", **one)
    for name in ("conf-one", "conf-serverless"):
        do.set("sagemaker.delete_endpoint_config", EndpointConfigName=name)
    _end(do)


def deleted_too_early(do):
    role = _role(do)
    _model(do, "conf-model", role)
    _config(do, "conf-one", "conf-model")
    one = {"EndpointName": "conf-early"}
    do.set("sagemaker.create_endpoint", EndpointConfigName="conf-one", **one)
    transit = "Creating/Updating/RollingBack/Deleting/SystemUpdating"
    do.do("while it is made", "sagemaker.delete_endpoint", aws=transit, **one)
    _status(do, "conf-early")
    do.do("when it is there", "sagemaker.delete_endpoint", **one)
    do.do("while it goes", "sagemaker.delete_endpoint", aws=transit, **one)
    do.note("gone", _status(do, "conf-early"))
    do.set("sagemaker.delete_endpoint_config", EndpointConfigName="conf-one")
    do.set("sagemaker.delete_model", ModelName="conf-model")
    _end(do)


def training_jobs(do):
    role = _role(do)
    job = {
        "TrainingJobName": "conf-job",
        "RoleArn": role,
        "AlgorithmSpecification": {"TrainingImage": _image(do), "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "InputDataConfig": [{
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/absent/"}},
        }],
    }
    create, one = "sagemaker.create_training_job", {"TrainingJobName": "conf-job"}
    do.do("describe an absent one", "sagemaker.describe_training_job", aws="absent", **one)
    do.do("stop an absent one", "sagemaker.stop_training_job", aws="absent", **one)
    nobody = role.replace("role/conf-sagemaker", "role/conf-absent")
    do.do("absent role", create, aws="execution role not assumable yet", **{**job, "RoleArn": nobody})
    do.do("absent rows", create, **job)
    do.do("unknown machine", create, **{**job, "ResourceConfig": {**job["ResourceConfig"], "InstanceType": "ml.none"}})
    do.do("long limit", create, **{**job, "StoppingCondition": {"MaxRuntimeInSeconds": 0}})
    for n in range(2):
        rows = "".join(f"{row % 2},{row},{row * n}\n" for row in range(40))
        do.set("s3.put_object", Bucket=BUCKET, Key=f"rows/{n}.csv", Body=rows.encode())
    channel = {"ChannelName": "train", "ContentType": "text/csv"}
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/rows/", "S3DataDistributionType": "FullyReplicated"}
    channel["DataSource"] = {"S3DataSource": source}
    rounds = {"num_round": "2", "objective": "binary:logistic"}
    job = {**job, "InputDataConfig": [channel], "HyperParameters": rounds}
    do.do("create", create, "ends_with(TrainingJobArn, ':training-job/conf-job')", **job)
    do.do("create again", create, None, aws="job name already used", **job)
    for _ in range(600):
        if do.look("sagemaker.describe_training_job", **one).get("TrainingJobStatus") != "InProgress":
            break
        time.sleep(0.1)
    shown = "{status: TrainingJobStatus, more: SecondaryStatus, model: ModelArtifacts.S3ModelArtifacts, why: FailureReason}"
    do.do("describe", "sagemaker.describe_training_job", shown, **one)
    do.do("stop an ended one", "sagemaker.stop_training_job", **one)
    do.do("list", "sagemaker.list_training_jobs", "TrainingJobSummaries[].[TrainingJobName, TrainingJobStatus]", NameContains="conf-job")
    for key in ["rows/0.csv", "rows/1.csv", "output/conf-job/output/model.tar.gz"]:
        do.set("s3.delete_object", Bucket=BUCKET, Key=key)
    do.do("none", "sagemaker.list_training_jobs", "TrainingJobSummaries", NameContains="conf-no-job")
    _end(do)


def tags(do):
    role = _role(do)
    _model(do, "conf-model", role)
    arn = {"ResourceArn": f"arn:aws:sagemaker:{do.region}:{do.account}:model/conf-model"}
    sorted_tags = "sort_by(Tags, &Key)"
    do.do("none", "sagemaker.list_tags", "Tags", **arn)
    do.do("add", "sagemaker.add_tags", sorted_tags, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}], **arn)
    do.do("change", "sagemaker.add_tags", sorted_tags, Tags=[{"Key": "a", "Value": "3"}], **arn)
    do.do("list", "sagemaker.list_tags", sorted_tags, **arn)
    do.do("small page", "sagemaker.list_tags", sorted_tags, MaxResults=1, **arn)
    do.do("remove", "sagemaker.delete_tags", TagKeys=["a", "absent"], **arn)
    do.do("left", "sagemaker.list_tags", sorted_tags, **arn)
    do.set("sagemaker.delete_model", ModelName="conf-model")
    do.do("of an absent one", "sagemaker.list_tags", "Tags", **arn)
    do.do("add to an absent one", "sagemaker.add_tags", sorted_tags, Tags=[{"Key": "a", "Value": "1"}], **arn)
    _end(do)


def pages(do):
    role = _role(do)
    for n in range(5):
        _model(do, f"conf-page-{n}", role)
    names, some = "Models[].ModelName", {"NameContains": "conf-page", "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 2}
    first = do.do("first page", "sagemaker.list_models", names, **some)
    second = do.do("second page", "sagemaker.list_models", names, NextToken=first.get("NextToken", ""), **some)
    do.do("last page", "sagemaker.list_models", names, NextToken=second.get("NextToken", ""), **some)
    do.do("bad token", "sagemaker.list_models", None, NextToken="nothing", **some)
    do.do("no page", "sagemaker.list_models", None, NameContains="conf-page", MaxResults=0)
    do.do("large page", "sagemaker.list_models", None, NameContains="conf-page", MaxResults=101)
    do.do("backwards", "sagemaker.list_models", names, NameContains="conf-page", SortBy="Name", SortOrder="Descending")
    for n in range(5):
        do.set("sagemaker.delete_model", ModelName=f"conf-page-{n}")
    _end(do)
