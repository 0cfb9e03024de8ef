//! What an execution role, and a session that calls, must be allowed.

use form_urlencoded::Serializer;

use super::*;
use crate::server::{Service, dispatch};
use crate::service::iam;

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/ex";

pub(super) async fn iam_call(cloud: &Arc<Cloud>, operation: &str, parameters: &[(&str, &str)]) {
    let body = Serializer::new(String::new()).append_pair("Action", operation).extend_pairs(parameters).finish();
    iam::handle(cloud, &request(operation, "/", body.into())).await.unwrap();
}

pub(crate) async fn create_role(cloud: &Arc<Cloud>, service: &str) {
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole",
        "Condition": { "ArnLike": { "aws:SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:*" } },
    }] });
    iam_call(cloud, "CreateRole", &[("RoleName", "ex"), ("AssumeRolePolicyDocument", &trust.to_string())]).await;
}

pub(crate) async fn allow(cloud: &Arc<Cloud>, actions: Value, resource: &str) {
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resource });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    iam_call(cloud, "PutRolePolicy", &[("RoleName", "ex"), ("PolicyName", "p"), ("PolicyDocument", &policy)]).await;
}

fn model(url: Option<&str>) -> Value {
    let mut container = json!({ "Image": IMAGE });
    if let Some(url) = url {
        container["ModelDataUrl"] = url.into();
    }
    json!({ "ModelName": "m", "PrimaryContainer": container, "ExecutionRoleArn": ROLE })
}

#[tokio::test]
async fn a_model_needs_a_role_that_the_service_may_assume_and_data_that_the_role_may_read() {
    let (cloud, _dir) = fresh().await;
    let unusable = format!(
        "ValidationException: Could not assume role {ROLE}. Please ensure that the role exists and allows principal \
         'sagemaker.amazonaws.com' to assume the role."
    );
    assert_eq!(call(&cloud, "CreateModel", model(None)).await.unwrap_err(), unusable);
    create_role(&cloud, "lambda.amazonaws.com").await;
    assert_eq!(call(&cloud, "CreateModel", model(None)).await.unwrap_err(), unusable);
    iam_call(&cloud, "DeleteRole", &[("RoleName", "ex")]).await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    let unreadable = call(&cloud, "CreateModel", model(Some("s3://bucket/model.tar.gz"))).await.unwrap_err();
    insta::assert_snapshot!(unreadable, @r#"ValidationException: Could not access model data at s3://bucket/model.tar.gz. Please ensure that the role "arn:aws:iam::123456789012:role/ex" exists and that its trust relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the object is located in us-east-1. If your Model uses multiple models or uncompressed models, please ensure that the role has "s3:ListBucket" permission."#);
    call(&cloud, "CreateModel", model(None)).await.unwrap();
    cloud.shut_down().await;
}

#[tokio::test]
async fn an_endpoint_fails_when_its_role_may_not_pull_the_image() {
    let (cloud, _dir) = fresh().await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    call(&cloud, "CreateModel", model(None)).await.unwrap();
    let variant = json!({ "VariantName": "v", "ModelName": "m",
                          "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1 });
    let body = json!({ "EndpointConfigName": "c", "ProductionVariants": [variant] });
    call(&cloud, "CreateEndpointConfig", body).await.unwrap();
    let mut reasons = Vec::new();
    for actions in [json!(["s3:*"]), json!(["ecr:BatchGetImage"]), json!(["ecr:*"])] {
        allow(&cloud, actions, "*").await;
        call(&cloud, "CreateEndpoint", endpoint("c")).await.unwrap();
        let described = settled(&cloud).await;
        reasons.push(described["FailureReason"].as_str().unwrap_or("in service").to_owned());
        call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
        gone(&cloud).await;
    }
    insta::assert_snapshot!(reasons.join("\n"), @r"
    The role 'arn:aws:iam::123456789012:role/ex' does not have BatchGetImage permission for the image: '683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1'.
    Please make sure all images included in the model for the production variant v exist, and that the execution role used to create the model has permissions to access them.
    in service
    ");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_session_may_do_what_its_role_may_on_the_arn_in_lower_case() {
    let (cloud, _dir) = fresh().await;
    deployed(&cloud, "one").await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    let mut invocation = request("", "/endpoints/Fraud/invocations", "x".into());
    invocation.caller.role = Some(ROLE.into());
    let arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/";
    allow(&cloud, json!("sagemaker:InvokeEndpoint"), &format!("{arn}Fraud")).await;
    let refusal = dispatch(&cloud, Service::Runtime, &invocation).await.unwrap_err();
    assert_eq!((refusal.status.as_u16(), refusal.code.as_str()), (403, "AccessDeniedException"));
    let sentence = format!("is not authorized to perform: sagemaker:InvokeEndpoint on resource: {arn}fraud because");
    assert!(refusal.message.contains(&sentence), "{}", refusal.message);
    allow(&cloud, json!("sagemaker:InvokeEndpoint"), &format!("{arn}fraud")).await;
    let answer = dispatch(&cloud, Service::Runtime, &invocation).await.unwrap();
    assert_eq!(answer.body(), "one says x");

    let mut describe = request("DescribeEndpoint", "/", json!({ "EndpointName": "Fraud" }).to_string().into());
    describe.caller.role = Some(ROLE.into());
    let refusal = dispatch(&cloud, Service::SageMaker, &describe).await.unwrap_err();
    assert_eq!((refusal.status.as_u16(), refusal.code.as_str()), (400, "AccessDeniedException"));
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_quota_counts_what_serves_beside_what_is_to_serve() {
    let (cloud, _dir) = fresh().await;
    let quota = |most: u64| cloud.quotas.put([("ml.t2.medium for endpoint usage".to_owned(), most)].into()).unwrap();
    quota(0);
    config(&cloud, "one", json!({})).await;
    config(&cloud, "two", json!({})).await;
    let refused = call(&cloud, "CreateEndpoint", endpoint("one")).await.unwrap_err();
    insta::assert_snapshot!(refused, @"ResourceLimitExceeded: The account-level service limit 'ml.t2.medium for endpoint usage' is 0 Instances, with current utilization of 0 Instances and a request delta of 1 Instances. Please use AWS Service Quotas to request an increase for this quota.");
    quota(1);
    call(&cloud, "CreateEndpoint", endpoint("one")).await.unwrap();
    settled(&cloud).await;
    let refused = call(&cloud, "UpdateEndpoint", endpoint("two")).await.unwrap_err();
    assert!(refused.contains("with current utilization of 1 Instances and a request delta of 1"), "{refused}");
    let more = json!({ "EndpointName": "Fraud",
                       "DesiredWeightsAndCapacities": [{ "VariantName": "AllTraffic", "DesiredInstanceCount": 3 }] });
    let refused = call(&cloud, "UpdateEndpointWeightsAndCapacities", more).await.unwrap_err();
    assert!(refused.contains("a request delta of 2 Instances"), "{refused}");
    quota(2);
    call(&cloud, "UpdateEndpoint", endpoint("two")).await.unwrap();
    assert_eq!(settled(&cloud).await["EndpointConfigName"], "two");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_container_whose_role_may_not_log_has_no_log() {
    let (cloud, _dir) = fresh().await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    call(&cloud, "CreateModel", model(None)).await.unwrap();
    let variant = json!({ "VariantName": "v", "ModelName": "m",
                          "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1 });
    let body = json!({ "EndpointConfigName": "c", "ProductionVariants": [variant] });
    call(&cloud, "CreateEndpointConfig", body).await.unwrap();
    let mut logged = Vec::new();
    for actions in [json!(["ecr:*", "logs:CreateLogStream", "logs:PutLogEvents"]), json!(["ecr:*", "logs:*"])] {
        allow(&cloud, actions, "*").await;
        call(&cloud, "CreateEndpoint", endpoint("c")).await.unwrap();
        assert_eq!(settled(&cloud).await["EndpointStatus"], "InService");
        logged.push(cloud.logs.has_group("/aws/sagemaker/Endpoints/Fraud"));
        call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
        gone(&cloud).await;
    }
    // Without the right to make the group there is none, and it was not there.
    assert_eq!(logged, [false, true]);
    cloud.shut_down().await;
}
