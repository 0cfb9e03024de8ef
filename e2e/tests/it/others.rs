//! What others do meanwhile: they delete, a service makes anew, they change what was just changed.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::harness::{Aws, Pipeline, Scene, features, note};
use crate::own_image;

const OURS: &str = "pipeline.yaml";
const OF_FUNCTION: &str = "/aws/lambda/fraud-proxy";
const OF_ENDPOINT: &str = "/aws/sagemaker/Endpoints/fraud";
const OF_API: &str = "/aws/vendedlogs/apis/fraud";

/// The tags of a log group; none when there is no such group.
fn tags(aws: &Aws, group: &str) -> Option<Json> {
    let groups = aws.logs("DescribeLogGroups", &json!({ "logGroupNamePrefix": group })).json();
    let arn = groups["logGroups"][0]["logGroupArn"].as_str()?.to_owned();
    Some(aws.logs("ListTagsForResource", &json!({ "resourceArn": arn })).json()["tags"].clone())
}

fn delete(aws: &Aws, group: &str) {
    aws.logs("DeleteLogGroup", &json!({ "logGroupName": group }));
    assert_eq!(tags(aws, group), None);
}

/// A pipeline whose function may make its log group, as most roles on AWS let it.
fn permissive() -> Pipeline {
    let may = "{ Effect: Allow, Action: logs:CreateLogGroup, Resource: \"*\" }";
    Pipeline {
        create_role: format!("{{ proxy: {{ also: [{may}] }} }}"),
        local: "{ iam-propagation-ms: 0 }".to_owned(),
        ..Pipeline::default()
    }
}

#[test]
fn a_log_group_that_a_service_made_again_is_adopted_and_goes_with_a_teardown() {
    let scene = Scene::new(&permissive());
    scene.apply();
    let aws = scene.aws();
    // So that the local cloud does not end with the teardown.
    aws.signed("s3", "PUT", "/somebody-elses", &[], "");
    let remade = || {
        delete(&aws, OF_FUNCTION);
        scene.answers(OURS);
        let made = (0..200).find_map(|_| {
            tags(&aws, OF_FUNCTION).or_else(|| {
                thread::sleep(Duration::from_millis(50));
                None
            })
        });
        assert_eq!(made, Some(json!({})), "the function writes, and its group has nobody's tags");
        // SageMaker does the same at the next line of the container, which may say nothing for long.
        delete(&aws, OF_ENDPOINT);
        aws.logs("CreateLogGroup", &json!({ "logGroupName": OF_ENDPOINT }));
    };
    remade();
    let plan = scene.runner(&["plan", "--detailed-exitcode"]).exits(2).stdout;
    let about: Vec<_> = plan.lines().skip_while(|line| !line.starts_with('~')).collect();
    let told = about
        .iter()
        .filter(|line| line.contains("log-group") || line.contains("because") || line.contains("retention"));
    insta::assert_snapshot!(told.copied().collect::<Vec<_>>().join("\n"), @"
    ~ create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
        because: adopted: SageMaker made it by itself, without the tags of a pipeline
        retention_days  for ever -> 14
    ~ deploy-proxy     log-group          /aws/lambda/fraud-proxy
        because: adopted: Lambda made it by itself, without the tags of a pipeline
        retention_days  for ever -> 14
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    ");
    let status = scene.runner(&["status"]).exits(0).stdout;
    assert_eq!(status.matches("without an owner, to be adopted").count(), 2, "{status}");
    scene.apply();
    for group in [OF_FUNCTION, OF_ENDPOINT] {
        assert_eq!(tags(&aws, group).unwrap()["runner:pipeline"], "fraud");
    }
    scene.keeps_all(OURS);
    remade();
    scene.runner(&["teardown"]).exits(0);
    assert!(aws.inventory().iter().all(|(kind, _)| *kind != "log-group"), "{:?}", aws.inventory());
}

#[test]
fn a_log_group_that_somebody_else_owns_or_made_stays_theirs() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let aws = scene.aws();
    let make = |group: &str, wanted: &Json| {
        if tags(&aws, group).is_some() {
            delete(&aws, group);
        }
        aws.logs("CreateLogGroup", &json!({ "logGroupName": group, "tags": wanted }));
    };
    // The function's role may write lines and make no group, so its lines are lost until the next apply.
    delete(&aws, OF_FUNCTION);
    scene.answers(OURS);
    assert_eq!(tags(&aws, OF_FUNCTION), None);
    make(OF_FUNCTION, &json!({ "runner:pipeline": "other" }));
    let refused = scene.runner(&["apply"]).exits(6);
    assert!(refused.stdout.contains("belongs to another pipeline"), "{}", refused.stdout);
    make(OF_FUNCTION, &json!({ "runner:pipeline": "fraud" }));
    // The gateway makes none by itself.
    make(OF_API, &json!({}));
    let refused = scene.runner(&["apply"]).exits(6);
    assert!(refused.stdout.contains("belongs to somebody else"), "{}", refused.stdout);
    make(OF_API, &json!({ "runner:pipeline": "fraud" }));
    // An endpoint that is not ours writes to a group that is not ours.
    make(OF_ENDPOINT, &json!({}));
    let endpoint = aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud" })).json()["EndpointArn"].clone();
    aws.sagemaker("DeleteTags", &json!({ "ResourceArn": endpoint, "TagKeys": ["runner:pipeline"] }));
    let refused = scene.runner(&["plan"]).exits(6);
    assert_eq!(refused.stdout.matches("belongs to somebody else").count(), 2, "{}", refused.stdout);
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(tags(&aws, OF_ENDPOINT), Some(json!({})));
}

/// What a service says of a thing that is not there; none for calls that name no single thing.
fn absent(service: &str, operation: &str) -> Option<Json> {
    const OF_ALL: [&str; 13] = [
        "ListModels",
        "ListEndpointConfigs",
        "GetApis",
        "DescribeLogGroups",
        "DescribeAlarms",
        "DescribeScalableTargets",
        "DescribeScalingPolicies",
        "GetCallerIdentity",
        "FilterLogEvents",
        "DescribeLogStreams",
        "GetMetricData",
        "DescribeServices",
        "ListServiceQuotas",
    ];
    let (status, code, message) = match service {
        _ if OF_ALL.contains(&operation) => return None,
        "s3" => (404, "NoSuchBucket", "The specified bucket does not exist"),
        "iam" => (404, "NoSuchEntity", "The role with name r cannot be found."),
        "sagemaker" => (400, "ValidationException", "Could not find it."),
        "lambda" => (404, "ResourceNotFoundException", "Function not found: it"),
        "apigateway" => (404, "NotFoundException", "Invalid API identifier specified it"),
        "logs" => (400, "ResourceNotFoundException", "The specified log group does not exist."),
        "ecr" => (400, "RepositoryNotFoundException", "The repository with name 'r' does not exist"),
        "application-autoscaling" => (400, "ObjectNotFoundException", "No scalable target found"),
        "monitoring" | "cloudwatch" => (404, "ResourceNotFound", "it"),
        _ => return None,
    };
    Some(json!({ "refuse": { "status": status, "code": code, "message": message } }))
}

fn called_by(aws: &Aws, scene: &Scene, command: &[&str]) -> BTreeSet<(String, String)> {
    aws.clear_requests();
    scene.runner(command);
    aws.calls()
}

/// Whatever is looked at is deleted by somebody just before one of the calls of the look.
fn looks_without_each(scene: &Scene, fewest: usize) {
    let aws = scene.aws();
    let (mut tried, mut wrong) = (0, vec![]);
    for command in [["plan"].as_slice(), &["plan", "--teardown"]] {
        for (service, operation) in called_by(&aws, scene, command) {
            let Some(fault) = absent(&service, &operation) else { continue };
            aws.put_faults(&json!([{ "match": { "service": service, "operation": operation }, "fault": fault }]));
            let ran = scene.runner(command);
            aws.clear_faults();
            tried += 1;
            if ran.code != 0 || ran.stdout.contains("belongs to somebody else") {
                wrong.push(format!("{command:?}, {service}:{operation}: {} {} {}", ran.code, ran.stderr, ran.stdout));
            }
        }
    }
    note(&format!("{tried} calls were answered that nothing is there"));
    assert_eq!(wrong, Vec::<String>::new());
    assert!(tried >= fewest, "only {tried}");
    scene.keeps_all(OURS);
}

/// Calls of a teardown that are answered at once that nothing is there. What is waited for until it is gone is in none.
const GONE: [&[(&str, &str)]; 3] = [
    &[
        ("application-autoscaling", "DeregisterScalableTarget"),
        ("lambda", "RemovePermission"),
        ("apigateway", "DeleteApi"),
        ("logs", "DeleteLogGroup"),
        ("monitoring", "DeleteAlarms"),
        ("sagemaker", "DeleteEndpointConfig"),
        ("sagemaker", "DeleteModel"),
        ("iam", "ListRolePolicies"),
        ("s3", "DeleteObject"),
        ("s3", "ListObjectVersions"),
        ("s3", "DeleteBucket"),
    ],
    &[("iam", "ListAttachedRolePolicies"), ("s3", "DeleteObjects"), ("s3", "DeleteBucket")],
    &[("iam", "DeleteRolePolicy"), ("iam", "DeleteRole"), ("s3", "ListMultipartUploads"), ("s3", "DeleteBucket")],
];

/// With everything that a pipeline can have, but an image of its own.
fn with_everything() -> Pipeline {
    Pipeline {
        create_endpoint: "{ instances: { type: ml.m5.large, count: 2 }, autoscaling: { min: 2, max: 4, \
                          invocations-per-instance: 100000 }, rollback-on: { errors-per-minute: 1000 } }"
            .to_owned(),
        deploy_proxy: "{ auth: { jwt: { issuer: \"https://a.example\", audience: [a] } } }".to_owned(),
        local: "{ iam-propagation-ms: 0, second-ms: 10 }".to_owned(),
        ..Pipeline::default()
    }
}

#[test]
fn a_thing_that_goes_while_it_is_looked_at_is_absent() {
    let scene = Scene::new(&Pipeline { deploy_proxy: "{}".to_owned(), ..with_everything() });
    scene.apply();
    looks_without_each(&scene, 25);
}

#[test]
fn an_image_that_goes_while_it_is_looked_at_is_absent() {
    let scene = own_image::scene();
    scene.apply();
    looks_without_each(&scene, 25);
}

#[test]
fn a_thing_that_goes_while_it_is_deleted_is_gone() {
    let scene = Scene::new(&Pipeline { deploy_proxy: "{}".to_owned(), ..with_everything() });
    scene.apply();
    let aws = scene.aws();
    aws.signed("s3", "PUT", "/somebody-elses", &[], "");
    for calls in GONE {
        let rule = |(service, operation): &(&str, &str)| {
            let call = json!({ "service": service, "operation": operation });
            json!({ "match": call, "fault": absent(service, operation) })
        };
        aws.put_faults(&calls.iter().map(rule).collect());
        let ran = scene.runner(&["teardown"]);
        let unused = aws.faults_without_effect();
        aws.clear_faults();
        ran.exits(0);
        assert_eq!(unused, Vec::<Json>::new(), "these rules struck nothing");
    }
    scene.runner(&["teardown"]).exits(0);
    let left: Vec<_> = aws.inventory().into_iter().filter(|(_, name)| name.contains("fraud")).collect();
    assert_eq!(left, vec![]);
}

#[test]
fn what_somebody_else_switched_to_during_the_smoke_test_is_not_switched_back() {
    let scene = Scene::new(&Pipeline { local: "{ iam-propagation-ms: 0 }".to_owned(), ..Pipeline::default() });
    scene.apply();
    let aws = scene.aws();
    let serves = |aws: &Aws| {
        let live = aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud" })).json();
        (live["EndpointConfigName"].as_str().unwrap().to_owned(), live["EndpointStatus"].as_str().unwrap().to_owned())
    };
    let (before, _) = serves(&aws);
    let config = aws.sagemaker("DescribeEndpointConfig", &json!({ "EndpointConfigName": before })).json();
    aws.sagemaker(
        "CreateEndpointConfig",
        &json!({ "EndpointConfigName": "theirs", "ProductionVariants": config["ProductionVariants"] }),
    );
    scene.write(&Pipeline {
        local: "{ iam-propagation-ms: 0 }".to_owned(),
        smoke_test: format!("{{ request: {}, expect: {{ fraud_score: 7 }} }}", features()),
        ..Pipeline::trees(6)
    });
    aws.put_faults(&json!([{ "match": { "service": "execute-api" }, "fault": { "delay-ms": 10_000 } }]));
    let refused = thread::scope(|scope| {
        scope.spawn(|| {
            let aws = scene.aws();
            for _ in 0..3000 {
                let (config, status) = serves(&aws);
                if config != before && status == "InService" {
                    // The deployment sees it too, and begins to ask.
                    thread::sleep(Duration::from_secs(2));
                    aws.sagemaker(
                        "UpdateEndpoint",
                        &json!({ "EndpointName": "fraud", "EndpointConfigName": "theirs" }),
                    );
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            panic!("it was never switched");
        });
        scene.runner(&["apply"])
    });
    aws.clear_faults();
    let refused = refused.exits(3);
    for told in [
        "endpoint `fraud` was not switched back: somebody else has changed it meanwhile, and it serves `theirs`",
        "`fraud_score` should be 7",
        "hint: find out who else deploys it",
    ] {
        assert!(refused.stderr.contains(told), "no `{told}` in\n{}", refused.stderr);
    }
    assert_eq!(serves(&aws).0, "theirs");
}
