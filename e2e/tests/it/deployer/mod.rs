//! The policy that `runner policy` prints: it is enough for everything that a deployer does, and nothing in it is idle.

mod doctor;
mod life;
mod tried;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::harness::{Issuer, Pipeline, note};

use life::{Deployer, PROGRAM};

const NOTHING: [&str; 0] = [];

/// One action of one statement.
#[derive(Clone, Debug)]
struct Grant {
    sid: String,
    action: String,
    resources: Vec<String>,
}

/// A member that is a text or a list of texts.
fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(list) => list.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    }
}

fn statements(policy: &Json) -> &Vec<Json> {
    policy["Statement"].as_array().unwrap()
}

fn grants(policy: &Json) -> Vec<Grant> {
    let of = |statement: &Json| {
        let sid = statement["Sid"].as_str().unwrap().to_owned();
        let resources = texts(&statement["Resource"]);
        let grant = |action| Grant { sid: sid.clone(), action, resources: resources.clone() };
        texts(&statement["Action"]).into_iter().map(grant).collect::<Vec<_>>()
    };
    statements(policy).iter().flat_map(of).collect()
}

/// The policy without one action of one statement.
fn without(policy: &Json, grant: &Grant) -> Json {
    let kept = statements(policy).iter().filter_map(|statement| {
        let mut statement = statement.clone();
        if statement["Sid"] == grant.sid.as_str() {
            let mut actions = texts(&statement["Action"]);
            actions.retain(|action| *action != grant.action);
            if actions.is_empty() {
                return None;
            }
            statement["Action"] = json!(actions);
        }
        Some(statement)
    });
    json!({ "Version": "2012-10-17", "Statement": kept.collect::<Vec<_>>() })
}

/// Whether an ARN is one of those that a pattern of IAM means.
fn matches(pattern: &str, arn: &str) -> bool {
    match pattern.chars().next() {
        None => arn.is_empty(),
        Some('*') => {
            let ends = arn.char_indices().map(|(at, _)| at).chain([arn.len()]);
            ends.into_iter().any(|at| matches(&pattern[1..], &arn[at..]))
        }
        Some(c) => arn.chars().next().is_some_and(|found| {
            (c == '?' || c == found) && matches(&pattern[c.len_utf8()..], &arn[found.len_utf8()..])
        }),
    }
}

#[test]
fn what_the_policy_allows_is_enough_and_all_of_it_is_used() {
    assert_eq!(idle(&Deployer::of(&Pipeline::default(), trained)), NOTHING);
}

#[test]
fn what_the_policy_allows_is_enough_for_a_serverless_endpoint() {
    let create_endpoint = "{ serverless: { memory-mb: 2048, max-concurrency: 2 } }".to_owned();
    // Scaled machines go with their endpoint, and their alarms with them.
    let alarms = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:TargetTracking-endpoint/fraud/variant/main-*";
    let idle = idle(&Deployer::of(&Pipeline { create_endpoint, ..Pipeline::default() }, trained));
    assert_eq!(idle, [format!("AutoscalingAlarms: cloudwatch:DeleteAlarms on {alarms}")]);
}

#[test]
fn what_the_policy_allows_is_enough_for_training_by_a_job() {
    let train = |trees| trained(trees).replacen('{', "{ on: sagemaker,", 1);
    let jobs = "arn:aws:sagemaker:us-east-1:000000000000:training-job/fraud-????????????";
    // What a job needs that is begun again after a failure, or that is cut short.
    let idle = idle(&Deployer::of(&Pipeline::default(), train));
    assert_eq!(
        idle,
        [
            format!("TrainingJobs: sagemaker:AddTags on {jobs}-*"),
            format!("TrainingJobs: sagemaker:CreateTrainingJob on {jobs}-*"),
            format!("TrainingJobs: sagemaker:ListTags on {jobs}-*"),
            format!("TrainingJobs: sagemaker:StopTrainingJob on {jobs}"),
            format!("TrainingJobs: sagemaker:StopTrainingJob on {jobs}-*"),
            "Training: s3:AbortMultipartUpload on arn:aws:s3:::fraud-000000000000-us-east-1/training/*".to_owned(),
        ]
    );
}

#[test]
fn what_the_policy_allows_is_enough_for_an_image_of_our_own_behind_a_closed_api() {
    let logs = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/fraud";
    // It never ends, so its last words are never read.
    let read = |rest: &str| format!("LogGroups: logs:FilterLogEvents on {logs}{rest}");
    assert_eq!(idle(&Deployer::of(&signed(), trained)), [read(""), read(":*")]);
}

#[test]
fn what_the_policy_allows_is_enough_where_no_token_is_at_hand() {
    let issuer = Issuer::new();
    assert_eq!(idle(&Deployer::of(&by_token(&issuer), trained)), NOTHING);
}

#[test]
fn what_the_policy_allows_is_enough_without_access_logs() {
    let deploy_proxy = "{ access-logs: false }".to_owned();
    assert_eq!(idle(&Deployer::of(&Pipeline { deploy_proxy, ..Pipeline::default() }, trained)), NOTHING);
}

#[test]
fn what_the_policy_allows_is_enough_on_machines_that_others_may_scale() {
    assert_eq!(idle(&Deployer::of(&scalable(), trained)), NOTHING);
}

#[test]
fn what_the_policy_allows_is_enough_for_autoscaling_alarms_captures_keys_and_networks() {
    assert_eq!(idle(&Deployer::of(&guarded(), trained)), NOTHING);
}

/// Machines that autoscaling can be made for, by whomever.
fn scalable() -> Pipeline {
    Pipeline { create_endpoint: "{ instances: { type: ml.m5.large } }".to_owned(), ..Pipeline::default() }
}

/// All that an endpoint can be asked to have beside its machines. It never scales by itself while a test lasts.
fn guarded() -> Pipeline {
    let create_endpoint = "{ instances: { type: ml.m5.large }, \
                           autoscaling: { max: 4, invocations-per-instance: 100000, scale-in: false }, \
                           data-capture: { share: 1.0 }, kms-key: alias/ml, \
                           vpc: { subnets: [subnet-0a], security-groups: [sg-0a] }, \
                           rollback-on: { errors-per-minute: 1000, latency-ms: 60000 } }";
    Pipeline { create_endpoint: create_endpoint.to_owned(), ..Pipeline::default() }
}

/// An image of our own, and an API that is asked with signatures.
fn signed() -> Pipeline {
    Pipeline { deploy_proxy: "{ auth: iam }".to_owned(), ..Pipeline::own_image(PROGRAM) }
}

/// An API that is asked with tokens, of which the smoke test has none.
fn by_token(issuer: &Issuer) -> Pipeline {
    Pipeline { deploy_proxy: format!("{{ auth: {} }}", issuer.block("")), ..Pipeline::default() }
}

fn trained(trees: u32) -> String {
    Pipeline::trees(trees).train
}

/// Lives a deployment's life and sees nothing denied; what of the policy was not used.
fn idle(deployer: &Deployer) -> Vec<String> {
    let before = deployer.aws.inventory();
    deployer.lives().unwrap();
    let mut after = deployer.aws.inventory();
    // What every job of an account writes its log to is nobody's.
    after.retain(|(_, name)| name != "/aws/sagemaker/TrainingJobs");
    assert_eq!(after, before);
    let decisions = deployer.decisions();
    let denied: Vec<_> = decisions.iter().filter(|decided| !decided.allowed).collect();
    assert!(denied.is_empty(), "{denied:#?}");
    let used = |action: &str, resource: &str| {
        decisions.iter().any(|decided| decided.action == action && matches(resource, &decided.resource))
    };
    let mut idle = vec![];
    for Grant { sid, action, resources } in grants(&deployer.policy) {
        for resource in &resources {
            // CloudWatch Logs asks some actions for a group and some for what is in it: either will do.
            let group = resource.strip_suffix(":*").unwrap_or(resource);
            let other = if group == resource { format!("{group}:*") } else { group.to_owned() };
            let either = resources.contains(&other) && used(&action, &other);
            if !either && !used(&action, resource) {
                idle.push(format!("{sid}: {action} on {resource}"));
            }
        }
    }
    idle
}

/// Takes away one action after the other, of those whose number leaves this remainder, and sees that each is missed.
fn each_is_missed(remainder: usize) {
    let deployer = Deployer::of(&Pipeline::default(), trained);
    let all = grants(&deployer.policy);
    assert!(all.len() > 60, "{}", all.len());
    let part: Vec<Grant> = all.into_iter().skip(remainder).step_by(PARTS).collect();
    let steps = these_are_missed(&deployer, &part);
    assert!(steps.len() > 2, "{steps:?}");
}

/// The same for what this pipeline's deployer may do and the default one's may not.
fn what_is_more_is_missed(pipeline: &Pipeline) -> usize {
    let deployer = Deployer::of(pipeline, trained);
    let key = |grant: &Grant| (grant.sid.clone(), grant.action.clone());
    let by_default = Deployer::of(&Pipeline::default(), trained).policy;
    let by_default: BTreeSet<_> = grants(&by_default).iter().map(key).collect();
    let more: Vec<Grant> =
        grants(&deployer.policy).into_iter().filter(|grant| !by_default.contains(&key(grant))).collect();
    // What only the first deployment of an account needs is missed by nobody after it.
    let (once, always): (Vec<Grant>, Vec<Grant>) =
        more.into_iter().partition(|grant| grant.action == "iam:CreateServiceLinkedRole");
    these_are_missed(&deployer, &always);
    if !once.is_empty() {
        these_are_missed(&Deployer::of(pipeline, trained), &once);
    }
    always.len() + once.len()
}

/// Takes away one of these actions after the other; in which steps they were missed.
fn these_are_missed(deployer: &Deployer, all: &[Grant]) -> BTreeSet<&'static str> {
    let mut idle = vec![];
    let mut steps = BTreeSet::new();
    for grant in all {
        deployer.allow(&without(&deployer.policy, grant));
        deployer.aws.forget_decisions();
        let began = std::time::Instant::now();
        let stopped = deployer.lives();
        let Err(stopped) = stopped else {
            idle.push(format!("{}: {}", grant.sid, grant.action));
            continue;
        };
        note(&format!("{}: {} stops {} after {:?}", grant.sid, grant.action, stopped.step, began.elapsed()));
        steps.insert(stopped.step);
        let Grant { sid, action, resources } = grant;
        let missed = deployer.decisions().into_iter().any(|decided| {
            let meant = resources.iter().any(|resource| matches(resource, &decided.resource));
            !decided.allowed && decided.action == *action && meant
        });
        assert!(missed, "{sid}: {action} was not asked for, but {stopped:#?}");
        assert!(stopped.ran.stderr.contains(action), "{action} is not named: {}", stopped.ran.stderr);
        deployer.clean();
    }
    assert_eq!(idle, NOTHING, "nothing failed without these");
    steps
}

const PARTS: usize = 4;

#[test]
fn each_action_for_an_image_of_our_own_and_a_signed_api_is_missed() {
    assert_eq!(what_is_more_is_missed(&signed()), 12);
}

#[test]
fn each_action_for_what_an_endpoint_has_beside_its_machines_is_missed() {
    assert_eq!(what_is_more_is_missed(&guarded()), 9);
}

#[test]
fn the_action_for_asking_the_function_itself_is_missed() {
    assert_eq!(what_is_more_is_missed(&by_token(&Issuer::new())), 1);
}

#[test]
fn each_action_is_missed_when_it_is_taken_away_1_of_4() {
    each_is_missed(0);
}

#[test]
fn each_action_is_missed_when_it_is_taken_away_2_of_4() {
    each_is_missed(1);
}

#[test]
fn each_action_is_missed_when_it_is_taken_away_3_of_4() {
    each_is_missed(2);
}

#[test]
fn each_action_is_missed_when_it_is_taken_away_4_of_4() {
    each_is_missed(3);
}
