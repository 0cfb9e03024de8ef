//! Stage `create-role`: who the endpoint and the function are, and what each may do.

use async_trait::async_trait;
use plan::{Facts, Observation, Output, Outputs, ResourceId};
use serde_json::{Value as Json, json};

use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::names::ROLE_PATH;
use crate::resource::outputs;
use crate::{
    Clients, CloudError, Ctx, Declared, Names, Resource, Site, Stage, StageError, Wanted, policy, tags, train,
};

/// The stage.
pub const STAGE: Stage = Stage {
    name: "create-role",
    summary: "what the endpoint and the proxy may do, each in one explicit policy",
    declare,
};

/// The role that SageMaker assumes.
pub const EXECUTION: ResourceId = ResourceId::new("create-role/sagemaker");
/// Its ARN.
pub const EXECUTION_ARN: Output<String> = Output::new(EXECUTION, "arn");
/// The role that Lambda assumes.
pub const PROXY: ResourceId = ResourceId::new("create-role/proxy");
/// Its ARN.
pub const PROXY_ARN: Output<String> = Output::new(PROXY, "arn");

/// Name of the one inline policy of each role.
const POLICY: &str = "runner";

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    let names = wanted.names;
    declared.resource(Role {
        id: EXECUTION,
        name: names.execution_role.clone(),
        trust: trust("sagemaker.amazonaws.com", &execution_condition(names)),
        policy: execution_policy(names, &needs(wanted.spec)),
        names: names.clone(),
    });
    declared.resource(Role {
        id: PROXY,
        name: names.proxy_role.clone(),
        trust: trust("lambda.amazonaws.com", &proxy_condition(names)),
        policy: proxy_policy(names),
        names: names.clone(),
    });
}

/// For hosting, SageMaker sends the source ARN literally as `arn:…:sagemaker:R:A:*`; naming one endpoint never matches.
/// Source: AWS documentation, cross-service confused deputy prevention.
fn execution_condition(names: &Names) -> Json {
    json!({ "ArnLike": { "aws:SourceArn": names.site.arn("sagemaker", "*") } })
}

fn proxy_condition(names: &Names) -> Json {
    json!({ "StringEquals": { "aws:SourceAccount": names.site.account } })
}

fn trust(service: &str, condition: &Json) -> Json {
    policy::document(&[json!({
        "Sid": "Assume", "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole", "Condition": condition
    })])
}

/// What SageMaker's role must be able to do beyond serving one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Train,
    Capture,
    Network,
    Alarms,
}

fn needs(spec: &spec::Spec) -> Vec<Need> {
    let serving = &spec.create_endpoint;
    let all = [
        (Need::Train, matches!(train::on(spec), spec::On::SageMaker(_))),
        (Need::Capture, serving.data_capture.is_some()),
        (Need::Network, serving.vpc.is_some()),
        (Need::Alarms, serving.rollback_on.count() > 0),
    ];
    all.into_iter().filter(|(_, needed)| *needed).map(|(need, _)| need).collect()
}

/// What creates network interfaces for containers in a VPC. Source: AWS documentation, hosted endpoints and resources
/// in a VPC.
const NETWORK: [&str; 10] = [
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

/// Reads one model, pulls one image, writes its logs and metrics; more only where the pipeline asks for more, such as, for
/// a training job, the rows, its model and the image that trains.
fn execution_policy(names: &Names, needs: &[Need]) -> Json {
    let site = &names.site;
    let partition = site.partition();
    let trains_by = needs.contains(&Need::Train).then_some(&names.training_image);
    let mut repositories: Vec<_> =
        [&names.image].into_iter().chain(trains_by).map(|image| repository_arn(site, image)).collect();
    repositories.dedup();
    let repositories = if let [only] = &*repositories { json!(only) } else { json!(repositories) };
    let mut statements = vec![
        json!({
            "Sid": "Model", "Effect": "Allow", "Action": "s3:GetObject",
            "Resource": format!("arn:{partition}:s3:::{}/{}*", names.bucket, crate::names::MODELS)
        }),
        json!({ "Sid": "EcrToken", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*" }),
        json!({
            "Sid": "EcrPull", "Effect": "Allow",
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"],
            "Resource": repositories
        }),
        json!({
            "Sid": "Logs", "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            "Resource": [site.arn("logs", "log-group:/aws/sagemaker/*")]
        }),
        json!({ "Sid": "Metrics", "Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*" }),
    ];
    let bucket = format!("arn:{partition}:s3:::{}", names.bucket);
    if needs.contains(&Need::Train) {
        let training = crate::names::TRAINING;
        statements.extend([
            json!({
                "Sid": "ListRows", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
                "Condition": { "StringLike": { "s3:prefix": format!("{training}*") } }
            }),
            json!({
                "Sid": "Rows", "Effect": "Allow", "Action": "s3:GetObject",
                "Resource": format!("{bucket}/{training}*")
            }),
            json!({
                "Sid": "Result", "Effect": "Allow", "Action": "s3:PutObject",
                "Resource": format!("{bucket}/{training}*/output/*")
            }),
        ]);
    }
    if needs.contains(&Need::Capture) {
        statements.push(json!({
            "Sid": "Captures", "Effect": "Allow", "Action": "s3:PutObject",
            "Resource": format!("{bucket}/{}*", crate::names::CAPTURES)
        }));
    }
    if needs.contains(&Need::Network) {
        statements.push(json!({ "Sid": "Network", "Effect": "Allow", "Action": NETWORK, "Resource": "*" }));
    }
    if needs.contains(&Need::Alarms) {
        // A narrower resource would hide composite alarms. Source: DescribeAlarms of the CloudWatch API.
        statements.push(json!({
            "Sid": "Alarms", "Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"
        }));
    }
    policy::document(&statements)
}

/// Asks one endpoint, writes to one log group, which exists already.
fn proxy_policy(names: &Names) -> Json {
    let site = &names.site;
    policy::document(&[
        json!({
            "Sid": "Score", "Effect": "Allow", "Action": "sagemaker:InvokeEndpoint",
            "Resource": site.arn("sagemaker", &format!("endpoint/{}", names.endpoint))
        }),
        json!({
            "Sid": "Logs", "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": site.arn("logs", &format!("log-group:{}:*", names.function_log_group()))
        }),
    ])
}

/// The repository of `<account>.dkr.ecr.<region>.<suffix>/<repository>:<tag>`.
fn repository_arn(site: &Site, image: &str) -> String {
    let (host, rest) = image.split_once('/').unwrap_or((image, ""));
    let registry = host.split('.').next().unwrap_or_default();
    let repository = rest.rsplit_once(':').map_or(rest, |(repository, _)| repository);
    format!("arn:{}:ecr:{}:{registry}:repository/{repository}", site.partition(), site.region)
}

#[derive(Debug)]
struct Role {
    id: ResourceId,
    name: String,
    trust: Json,
    policy: Json,
    names: Names,
}

#[async_trait]
impl Resource for Role {
    fn id(&self) -> ResourceId {
        self.id.clone()
    }

    fn kind(&self) -> &'static str {
        "iam-role"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn desired(&self) -> Facts {
        Facts::default()
            .fixed("path", ROLE_PATH)
            .field("trust", policy::words(&self.trust))
            .field("policy", policy::words(&self.policy))
            .field("other_policies", json!([]))
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let subject = self.subject();
        let answer = clients.iam.get_role().role_name(&self.name).send().await.about("iam:GetRole", &subject);
        let Some(role) = if_present(answer)?.and_then(|answer| answer.role) else {
            return Ok(Observation::Absent);
        };
        let tags = role.tags().iter().map(|tag| (tag.key(), tag.value()));
        if let Some(owner) = tags::foreign(&self.names, tags) {
            return Ok(Observation::Foreign { owner });
        }
        let (ours, others) = self.policies(clients).await?;
        let trust = decoded(role.assume_role_policy_document().unwrap_or_default());
        let facts = Facts::default()
            .field("path", role.path())
            .field("trust", policy::words(&trust))
            .field("policy", policy::words(&ours))
            .field("other_policies", json!(others));
        Ok(Observation::Present { facts, outputs: outputs([("arn", role.arn().into())]) })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let subject = self.subject();
        let tags = iam_tags(&self.names, self.id.stage())?;
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.iam.create_role().role_name(&self.name).path(ROLE_PATH);
            let request = request.assume_role_policy_document(self.trust.to_string()).set_tags(Some(tags.clone()));
            let answer = request.description(format!("{}: made by runner", self.names.pipeline)).send().await;
            or_already_there(answer.about("iam:CreateRole", &subject)).map(drop)
        })
        .await?;
        self.put_policy(ctx).await?;
        Ok(self.outputs())
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let subject = self.subject();
        let (ours, others) = self.policies(ctx.clients).await?;
        let live = ctx.clients.iam.get_role().role_name(&self.name).send().await.about("iam:GetRole", &subject)?;
        let trust = live.role.as_ref().and_then(|role| role.assume_role_policy_document()).map(decoded);
        if trust.map(|trust| policy::words(&trust)) != Some(policy::words(&self.trust)) {
            ctx.settled(&subject, ctx.limits.propagation, || async {
                let request = ctx.clients.iam.update_assume_role_policy().role_name(&self.name);
                let answer = request.policy_document(self.trust.to_string()).send().await;
                answer.about("iam:UpdateAssumeRolePolicy", &subject)
            })
            .await?;
        }
        if policy::words(&ours) != policy::words(&self.policy) {
            self.put_policy(ctx).await?;
        }
        self.remove_policies(ctx, &self.name, others).await?;
        Ok(self.outputs())
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let subject = self.subject();
        let Some(all) = if_present(self.policy_names(ctx.clients).await)? else { return Ok(()) };
        self.remove_policies(ctx, name, all).await?;
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let answer = ctx.clients.iam.delete_role().role_name(name).send().await;
            if_present(answer.about("iam:DeleteRole", &subject)).map(drop)
        })
        .await
    }
}

impl Role {
    fn subject(&self) -> String {
        format!("role `{}`", self.name)
    }

    fn outputs(&self) -> Outputs {
        outputs([("arn", self.names.role_arn(&self.name).into())])
    }

    /// A role that was made a moment ago may not be there yet for this call.
    async fn put_policy(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        let subject = self.subject();
        ctx.visible(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.iam.put_role_policy().role_name(&self.name).policy_name(POLICY);
            let answer = request.policy_document(self.policy.to_string()).send().await;
            answer.about("iam:PutRolePolicy", &subject)
        })
        .await?;
        Ok(())
    }

    /// Our inline policy, and the names of all others, inline or attached by ARN.
    async fn policies(&self, clients: &Clients) -> Result<(Json, Vec<String>), CloudError> {
        let mut all = self.policy_names(clients).await?;
        let mut ours = Json::Null;
        if let Some(index) = all.iter().position(|name| name == POLICY) {
            all.remove(index);
            let answer = clients.iam.get_role_policy().role_name(&self.name).policy_name(POLICY).send().await;
            if let Some(answer) = if_present(answer.about("iam:GetRolePolicy", self.subject()))? {
                ours = decoded(answer.policy_document());
            }
        }
        Ok((ours, all))
    }

    async fn policy_names(&self, clients: &Clients) -> Result<Vec<String>, CloudError> {
        let inline = clients.iam.list_role_policies().role_name(&self.name).send();
        let attached = clients.iam.list_attached_role_policies().role_name(&self.name).send();
        let (inline, attached) = futures::join!(inline, attached);
        let inline = inline.about("iam:ListRolePolicies", self.subject())?;
        let attached = attached.about("iam:ListAttachedRolePolicies", self.subject())?;
        let attached =
            attached.attached_policies().iter().filter_map(|policy| policy.policy_arn().map(ToOwned::to_owned));
        Ok(inline.policy_names.into_iter().chain(attached).collect())
    }

    async fn remove_policies(&self, ctx: &Ctx<'_>, role: &str, policies: Vec<String>) -> Result<(), StageError> {
        for name in policies {
            let subject = format!("policy `{name}` of role `{role}`");
            ctx.settled(&subject, ctx.limits.propagation, || async {
                let iam = &ctx.clients.iam;
                let gone = if name.starts_with("arn:") {
                    let answer = iam.detach_role_policy().role_name(role).policy_arn(&name).send().await;
                    if_present(answer.about("iam:DetachRolePolicy", &subject))?.is_some()
                } else {
                    let answer = iam.delete_role_policy().role_name(role).policy_name(&name).send().await;
                    if_present(answer.about("iam:DeleteRolePolicy", &subject))?.is_some()
                };
                Ok(gone)
            })
            .await?;
        }
        Ok(())
    }
}

fn iam_tags(names: &Names, stage: &str) -> Result<Vec<aws_sdk_iam::types::Tag>, StageError> {
    tags::of(names, stage)
        .into_iter()
        .map(|(key, value)| aws_sdk_iam::types::Tag::builder().key(key).value(value).build())
        .collect::<Result<_, _>>()
        .map_err(|error| StageError::here("could not write a tag", error))
}

/// IAM gives policy documents percent-encoded.
fn decoded(document: &str) -> Json {
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or(Json::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn documents(region: &str) -> String {
        let names = Fixture::new("name: fraud", region, "3f9a0c12").names;
        let documents = json!({
            "execution trust": trust("sagemaker.amazonaws.com", &execution_condition(&names)),
            "execution": execution_policy(&names, &[]),
            "proxy trust": trust("lambda.amazonaws.com", &proxy_condition(&names)),
            "proxy": proxy_policy(&names),
        });
        serde_json::to_string_pretty(&documents).unwrap()
    }

    /// The statements that a need adds.
    fn more(need: Need) -> String {
        let names = Fixture::with("").names;
        let (serves, more) = (execution_policy(&names, &[]), execution_policy(&names, &[need]));
        let statements = |policy: &Json| policy["Statement"].as_array().unwrap().clone();
        let (serves, mut all) = (statements(&serves), statements(&more));
        let more = all.split_off(serves.len());
        assert_eq!(all, serves);
        serde_json::to_string_pretty(&policy::words(&policy::document(&more))).unwrap()
    }

    #[test]
    fn a_role_that_trains_may_also_read_rows_and_write_results() {
        insta::assert_snapshot!(more(Need::Train), @r#"
        {
          "ListRows": "Allow s3:ListBucket on arn:aws:s3:::fraud-123456789012-us-east-1 if s3:prefix StringLike training/*",
          "Result": "Allow s3:PutObject on arn:aws:s3:::fraud-123456789012-us-east-1/training/*/output/*",
          "Rows": "Allow s3:GetObject on arn:aws:s3:::fraud-123456789012-us-east-1/training/*"
        }
        "#);
    }

    #[test]
    fn a_role_may_do_what_each_option_needs_and_no_more() {
        insta::assert_snapshot!(more(Need::Capture), @r#"
        {
          "Captures": "Allow s3:PutObject on arn:aws:s3:::fraud-123456789012-us-east-1/captures/*"
        }
        "#);
        insta::assert_snapshot!(more(Need::Network), @r#"
        {
          "Network": "Allow ec2:CreateNetworkInterface, ec2:CreateNetworkInterfacePermission, ec2:DeleteNetworkInterface, ec2:DeleteNetworkInterfacePermission, ec2:DescribeDhcpOptions, ec2:DescribeNetworkInterfaces, ec2:DescribeSecurityGroups, ec2:DescribeSubnets, ec2:DescribeVpcEndpoints, ec2:DescribeVpcs on *"
        }
        "#);
        insta::assert_snapshot!(more(Need::Alarms), @r#"
        {
          "Alarms": "Allow cloudwatch:DescribeAlarms on *"
        }
        "#);
    }

    #[test]
    fn each_role_may_do_what_it_needs_and_no_more() {
        insta::assert_snapshot!(documents("us-east-1"), @r#"
        {
          "execution": {
            "Statement": [
              {
                "Action": "s3:GetObject",
                "Effect": "Allow",
                "Resource": "arn:aws:s3:::fraud-123456789012-us-east-1/models/*",
                "Sid": "Model"
              },
              {
                "Action": "ecr:GetAuthorizationToken",
                "Effect": "Allow",
                "Resource": "*",
                "Sid": "EcrToken"
              },
              {
                "Action": [
                  "ecr:BatchGetImage",
                  "ecr:GetDownloadUrlForLayer",
                  "ecr:BatchCheckLayerAvailability"
                ],
                "Effect": "Allow",
                "Resource": "arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost",
                "Sid": "EcrPull"
              },
              {
                "Action": [
                  "logs:CreateLogGroup",
                  "logs:CreateLogStream",
                  "logs:PutLogEvents",
                  "logs:DescribeLogStreams"
                ],
                "Effect": "Allow",
                "Resource": [
                  "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/*"
                ],
                "Sid": "Logs"
              },
              {
                "Action": "cloudwatch:PutMetricData",
                "Effect": "Allow",
                "Resource": "*",
                "Sid": "Metrics"
              }
            ],
            "Version": "2012-10-17"
          },
          "execution trust": {
            "Statement": [
              {
                "Action": "sts:AssumeRole",
                "Condition": {
                  "ArnLike": {
                    "aws:SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:*"
                  }
                },
                "Effect": "Allow",
                "Principal": {
                  "Service": "sagemaker.amazonaws.com"
                },
                "Sid": "Assume"
              }
            ],
            "Version": "2012-10-17"
          },
          "proxy": {
            "Statement": [
              {
                "Action": "sagemaker:InvokeEndpoint",
                "Effect": "Allow",
                "Resource": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud",
                "Sid": "Score"
              },
              {
                "Action": [
                  "logs:CreateLogStream",
                  "logs:PutLogEvents"
                ],
                "Effect": "Allow",
                "Resource": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy:*",
                "Sid": "Logs"
              }
            ],
            "Version": "2012-10-17"
          },
          "proxy trust": {
            "Statement": [
              {
                "Action": "sts:AssumeRole",
                "Condition": {
                  "StringEquals": {
                    "aws:SourceAccount": "123456789012"
                  }
                },
                "Effect": "Allow",
                "Principal": {
                  "Service": "lambda.amazonaws.com"
                },
                "Sid": "Assume"
              }
            ],
            "Version": "2012-10-17"
          }
        }
        "#);
    }

    #[test]
    fn another_partition_has_its_own_arns_and_image_registry() {
        insta::assert_snapshot!(documents("cn-northwest-1"), @r#"
        {
          "execution": {
            "Statement": [
              {
                "Action": "s3:GetObject",
                "Effect": "Allow",
                "Resource": "arn:aws-cn:s3:::fraud-123456789012-cn-northwest-1/models/*",
                "Sid": "Model"
              },
              {
                "Action": "ecr:GetAuthorizationToken",
                "Effect": "Allow",
                "Resource": "*",
                "Sid": "EcrToken"
              },
              {
                "Action": [
                  "ecr:BatchGetImage",
                  "ecr:GetDownloadUrlForLayer",
                  "ecr:BatchCheckLayerAvailability"
                ],
                "Effect": "Allow",
                "Resource": "arn:aws-cn:ecr:cn-northwest-1:451049120500:repository/sagemaker-xgboost",
                "Sid": "EcrPull"
              },
              {
                "Action": [
                  "logs:CreateLogGroup",
                  "logs:CreateLogStream",
                  "logs:PutLogEvents",
                  "logs:DescribeLogStreams"
                ],
                "Effect": "Allow",
                "Resource": [
                  "arn:aws-cn:logs:cn-northwest-1:123456789012:log-group:/aws/sagemaker/*"
                ],
                "Sid": "Logs"
              },
              {
                "Action": "cloudwatch:PutMetricData",
                "Effect": "Allow",
                "Resource": "*",
                "Sid": "Metrics"
              }
            ],
            "Version": "2012-10-17"
          },
          "execution trust": {
            "Statement": [
              {
                "Action": "sts:AssumeRole",
                "Condition": {
                  "ArnLike": {
                    "aws:SourceArn": "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:*"
                  }
                },
                "Effect": "Allow",
                "Principal": {
                  "Service": "sagemaker.amazonaws.com"
                },
                "Sid": "Assume"
              }
            ],
            "Version": "2012-10-17"
          },
          "proxy": {
            "Statement": [
              {
                "Action": "sagemaker:InvokeEndpoint",
                "Effect": "Allow",
                "Resource": "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:endpoint/fraud",
                "Sid": "Score"
              },
              {
                "Action": [
                  "logs:CreateLogStream",
                  "logs:PutLogEvents"
                ],
                "Effect": "Allow",
                "Resource": "arn:aws-cn:logs:cn-northwest-1:123456789012:log-group:/aws/lambda/fraud-proxy:*",
                "Sid": "Logs"
              }
            ],
            "Version": "2012-10-17"
          },
          "proxy trust": {
            "Statement": [
              {
                "Action": "sts:AssumeRole",
                "Condition": {
                  "StringEquals": {
                    "aws:SourceAccount": "123456789012"
                  }
                },
                "Effect": "Allow",
                "Principal": {
                  "Service": "lambda.amazonaws.com"
                },
                "Sid": "Assume"
              }
            ],
            "Version": "2012-10-17"
          }
        }
        "#);
    }
}
