//! What the longest name in the longest region still keeps: limits that no pipeline file can exceed, so that nothing has
//! to check them.

use serde_json::Value as Json;

use super::{ALL, JOB};
use crate::fixture::Fixture;
use crate::{Names, create_role};

/// Of everything that a name can be, the longest.
fn longest(stages: &str) -> impl Iterator<Item = Fixture> {
    let source = format!("{{ name: abcdefghijklmnopqrstuvwxyz-01234, stages: [{stages}] }}");
    spec::regions::XGBOOST_REGISTRIES.iter().map(move |(region, _)| Fixture::new(&source, region, "3f9a0c12"))
}

#[test]
fn names_and_addresses_keep_the_limits_of_their_services() {
    for Fixture { names, .. } in longest("") {
        let Names { bucket, image, training_image, endpoint, .. } = &names;
        let keeps = |text: &str, limit: usize| assert!(text.len() <= limit, "`{text}` is longer than {limit}");
        // Sources: `Url`, `ContainerImage`, `DestinationS3Uri` and `S3Uri` of the SageMaker API.
        keeps(&names.model_url(), 1_024);
        keeps(image, 255);
        keeps(training_image, 255);
        keeps(&format!("s3://{bucket}/captures/"), 512);
        keeps(&format!("s3://{bucket}/training/0123456789ab/validation/"), 1_024);
        // Sources: `AlarmName` of the CloudWatch API, `PolicyName` and `ResourceIdMaxLen1600` of Application Auto Scaling.
        keeps(&format!("{endpoint}-latency"), 255);
        keeps(&format!("{endpoint}-target-tracking"), 256);
        keeps(&format!("endpoint/{endpoint}/variant/main"), 1_600);
        // Sources: `LogGroupName` of the CloudWatch Logs API, `StatementId` of the Lambda API.
        for group in [names.endpoint_log_group(), names.function_log_group(), names.access_log_group()] {
            keeps(&group, 512);
        }
        // Tags, everywhere: a value has at most 256 characters, and in S3 and IAM only some of them.
        keeps(&names.pipeline, 256);
    }
}

#[test]
fn default_policies_keep_the_quotas_of_roles() {
    for stages in ["", ALL, JOB] {
        for fixture in longest(stages) {
            create_role::check(&fixture.wanted()).unwrap();
            let trusts =
                fixture.desired().into_iter().filter_map(|it| it.facts.get("trust").map(|it| it.value.clone()));
            for trust in trusts {
                let plan::Value::Known(Json::Object(words)) = trust else { panic!("{trust:?}") };
                // In words it is about as long as in JSON. Source: IAM quotas, 2,048 characters.
                assert!(Json::Object(words.clone()).to_string().len() < 1_024, "{words:?}");
            }
        }
    }
}
