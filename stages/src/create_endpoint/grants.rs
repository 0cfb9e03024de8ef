//! What serving needs the role that SageMaker assumes to be allowed.

use serde_json::{Value as Json, json};

use crate::create_role::{Grant, Need};
use crate::{Names, Wanted, names};

/// What serving needs the role that SageMaker assumes to be allowed: one model, one image, logs and metrics, and what
/// the file asks for besides.
pub(crate) fn grants(wanted: &Wanted<'_>) -> Vec<Grant> {
    let names = wanted.names;
    let need = |action, resource: &str, without, told| Need {
        action,
        resource: resource.to_owned(),
        keys: vec![],
        without,
        told,
    };
    let stream = names.site.arn("logs", &format!("log-group:{}:log-stream:main/0", names.endpoint_log_group()));
    let logs = ["logs:CreateLogStream", "logs:PutLogEvents"]
        .map(|action| need(action, &stream, "the container's log stays empty", &[]));
    // Of a group itself, some calls are asked with `:*` behind its name and some without. Source: AWS's own policy
    // `AmazonSageMakerClusterInstanceRolePolicy`, as for the condition on metrics.
    let group = "arn:{partition}:logs:{region}:{account}:log-group:/aws/sagemaker/Endpoints/{endpoint}";
    let mut grants = vec![
        Grant {
            sid: "Model",
            actions: &["s3:GetObject"],
            resources: vec![format!("arn:{{partition}}:s3:::{{bucket}}/{}*", names::MODELS)],
            condition: Json::Null,
            needs: vec![need(
                "s3:GetObject",
                &names.object_arn(&names.model_key),
                "SageMaker cannot read the model",
                &["Could not access model data", "Failed to download model data"],
            )],
        },
        Grant {
            sid: "EcrToken",
            actions: &["ecr:GetAuthorizationToken"],
            resources: vec!["*".to_owned()],
            condition: Json::Null,
            needs: vec![need_to_pull("ecr:GetAuthorizationToken", "*")],
        },
        grant_to_pull("EcrPull", image_arn(names, &names.image)),
        Grant {
            sid: "Logs",
            actions: &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            resources: vec![group.to_owned(), format!("{group}:*")],
            condition: Json::Null,
            needs: logs.into(),
        },
        Grant {
            sid: "Metrics",
            actions: &["cloudwatch:PutMetricData"],
            resources: vec!["*".to_owned()],
            condition: json!({ "StringEquals": { "cloudwatch:namespace": NAMESPACES } }),
            needs: vec![Need {
                keys: vec![("cloudwatch:namespace", NAMESPACES[0].to_owned())],
                ..need("cloudwatch:PutMetricData", "*", "the endpoint has no metrics", &[])
            }],
        },
    ];
    let serving = &wanted.spec.create_endpoint;
    if serving.data_capture.is_some() {
        grants.push(Grant {
            sid: "Captures",
            actions: &["s3:PutObject"],
            resources: vec![format!("arn:{{partition}}:s3:::{{bucket}}/{}*", names::CAPTURES)],
            condition: Json::Null,
            needs: vec![need(
                "s3:PutObject",
                &names.object_arn(&format!("{}{}/main/captured.jsonl", names::CAPTURES, names.endpoint)),
                "requests and answers are not kept",
                &[],
            )],
        });
    }
    if serving.vpc.is_some() {
        let needs = NETWORK_NEEDS.map(|action| {
            need(
                action,
                "*",
                "SageMaker cannot put the endpoint into the VPC",
                &["permission for the VPC of the model"],
            )
        });
        grants.push(Grant {
            sid: "Network",
            actions: NETWORK,
            resources: vec!["*".to_owned()],
            condition: Json::Null,
            needs: needs.into(),
        });
    }
    if serving.rollback_on.count() > 0 {
        // A narrower resource would hide composite alarms. Source: DescribeAlarms of the CloudWatch API.
        let told = &["does not have DescribeAlarms permission"];
        grants.push(Grant {
            sid: "Alarms",
            actions: &["cloudwatch:DescribeAlarms"],
            resources: vec!["*".to_owned()],
            condition: Json::Null,
            needs: vec![need(
                "cloudwatch:DescribeAlarms",
                "*",
                "SageMaker cannot watch the alarms of the rollout",
                told,
            )],
        });
    }
    grants
}

/// Where the containers' machines count what they use, and SageMaker what endpoints are asked. Source: AWS documentation,
/// "Amazon SageMaker AI metrics in Amazon CloudWatch".
const NAMESPACES: [&str; 2] = ["/aws/sagemaker/Endpoints", "AWS/SageMaker"];

/// What creates network interfaces for containers in a VPC. Source: AWS documentation, hosted endpoints and resources
/// in a VPC.
const NETWORK: &[&str] = &[
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
];
/// Those of them that it cannot do without.
const NETWORK_NEEDS: [&str; 5] = [
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcs",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
];

/// What whoever pulls an image must be allowed.
const PULL: &[&str] = &["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"];

/// What AWS says of a role that may not pull an image: of an endpoint, then of a training job.
const IMAGE_REFUSED: &[&str] = &[
    "does not have BatchGetImage permission",
    "Please make sure all images included in the model",
    "Cannot pull algorithm container",
];

/// To pull images of a repository.
pub(crate) fn grant_to_pull(sid: &'static str, arn: String) -> Grant {
    let needs = PULL.iter().map(|action| need_to_pull(action, &arn)).collect();
    Grant { sid, actions: PULL, resources: vec![arn], condition: Json::Null, needs }
}

fn need_to_pull(action: &'static str, resource: &str) -> Need {
    let (resource, without) = (resource.to_owned(), "the image cannot be pulled");
    Need { action, resource, keys: vec![], without, told: IMAGE_REFUSED }
}

/// ARN of the repository of `<account>.dkr.ecr.<region>.<suffix>/<repository>:<tag>`.
pub(crate) fn image_arn(names: &Names, image: &str) -> String {
    let (host, rest) = image.split_once('/').unwrap_or((image, ""));
    let registry = host.split('.').next().unwrap_or_default();
    let repository = rest.rsplit_once(':').map_or(rest, |(repository, _)| repository);
    names.site.arn_of("ecr", registry, &format!("repository/{repository}"))
}
