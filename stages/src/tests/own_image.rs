//! Pipelines that are served by an image of our own.

use plan::{Facts, Goal, Observation, Stray, World};

use super::{JOB, OWN};
use crate::fixture::Fixture;
use crate::{create_endpoint, package, upload};

#[test]
fn an_image_of_our_own_is_made_and_pushed_before_a_model_names_it() {
    let fixture = Fixture::with(OWN);
    let mut desired = fixture.desired();
    desired.retain(|it| [package::IMAGE, upload::REPOSITORY, upload::IMAGE].contains(&it.id));
    for resource in &mut desired {
        resource.after.clear();
    }
    let plan = plan::plan(&desired, &World::default(), Goal::Present).unwrap();
    insta::assert_snapshot!(plan::render::text(&plan, &|_, lines| lines), @"
    + package  image           model-server
        sources       ba5eba11ba5e
        program       model-server
        architecture  x86_64
    + upload   ecr-repository  runner/fraud
        encryption  AES256
        tags        IMMUTABLE
    + upload   image           ba5eba11ba5e
        repository  runner/fraud
        sources     ba5eba11ba5e
        content     ours
    3 to create.
    ");
    let text = fixture.plan(&World::default(), Goal::Present);
    let pull = text.lines().find(|line| line.contains("policy.EcrPull")).unwrap();
    insta::assert_snapshot!(pull.trim(), @"policy.EcrPull   Allow ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer on arn:aws:ecr:us-east-1:123456789012:repository/runner/fraud");
    let model = fixture.desired().into_iter().find(|it| it.id == create_endpoint::MODEL).unwrap();
    assert!(model.facts.mentions().any(|id| *id == upload::IMAGE), "a model must wait for its image");
    insta::assert_snapshot!(fixture.names.image, @"123456789012.dkr.ecr.us-east-1.amazonaws.com/runner/fraud:ba5eba11ba5e");
}

#[test]
fn a_job_for_an_image_of_our_own_trains_with_awss_newest_and_its_role_may_pull_both() {
    let names = Fixture::with(OWN).names;
    assert!(names.training_image.ends_with("/sagemaker-xgboost:3.2-0"), "{}", names.training_image);
    let both = Fixture::with(&format!("{JOB}, {OWN}"));
    let desired = both.desired();
    let plan = plan::plan(&desired, &World::default(), Goal::Present).unwrap();
    let text = plan::render::text(&plan, &|_, lines| lines);
    let pull = text.lines().map(str::trim).filter(|line| line.starts_with("policy.EcrPull"));
    insta::assert_snapshot!(pull.collect::<Vec<_>>().join("\n"), @"
    policy.EcrPull           Allow ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer on arn:aws:ecr:us-east-1:123456789012:repository/runner/fraud
    policy.EcrPullToTrain    Allow ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer on arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost
    ");
}

#[test]
fn other_sources_are_another_image_and_model_and_the_old_ones_go_last() {
    let fixture = Fixture::with(OWN);
    let mut world = World::satisfying(&fixture.desired()).without("package/image").without("upload/image");
    world = world.without("create-endpoint/model").without("create-endpoint/config");
    world.strays.push(Stray { of: upload::IMAGE, name: "0ld0ld0ld0ld".to_owned(), why: "an older version".to_owned() });
    let text = fixture.plan(&world, Goal::Present);
    let signs: Vec<_> = text.lines().filter(|line| line.starts_with(['+', '-', '~', '?'])).collect();
    insta::assert_snapshot!(signs.join("\n"), @"
    ? train            gate               metrics
    + package          image              model-server
    + upload           image              ba5eba11ba5e
    + create-endpoint  model              fraud-51c729c840c7
    + create-endpoint  endpoint-config    fraud-5e59bf1be158
    ? smoke-test       smoke-test         POST /
    - upload           image              0ld0ld0ld0ld
    ");
}

#[test]
fn an_image_that_somebody_else_put_under_our_tag_is_put_right() {
    let fixture = Fixture::with(OWN);
    let desired = fixture.desired();
    let world = World::satisfying(&desired);
    let Observation::Present { outputs, .. } = world.of(&upload::IMAGE).clone() else { unreachable!() };
    let facts =
        desired.iter().find(|it| it.id == upload::IMAGE).unwrap().facts.iter().fold(Facts::default(), |facts, fact| {
            let seen = if fact.name == "content" { "sha256:0123".into() } else { known(&fact.value) };
            facts.field(fact.name, seen)
        });
    let world = world.with(upload::IMAGE, Observation::Present { facts, outputs });
    let text = fixture.plan(&world, Goal::Present);
    let at = text.find("~ upload").unwrap();
    insta::assert_snapshot!(text[at..].lines().take(2).collect::<Vec<_>>().join("\n"), @"
    ~ upload           image              ba5eba11ba5e
        content  sha256:0123 -> ours
    ");
}

fn known(value: &plan::Value) -> serde_json::Value {
    match value {
        plan::Value::Known(value) => value.clone(),
        plan::Value::Output { known, .. } => known.clone().unwrap_or_default(),
    }
}

#[test]
fn a_repository_that_nothing_asks_for_any_more_goes_once_the_rest_is_proved() {
    let fixture = Fixture::with("");
    let present = Observation::Present { facts: Facts::default(), outputs: plan::Outputs::new() };
    let world = World::satisfying(&fixture.desired()).with(upload::REPOSITORY, present);
    let text = fixture.plan(&world, Goal::Present);
    insta::assert_snapshot!(text[text.find("? smoke-test").unwrap()..], @"
    ? smoke-test       smoke-test         POST /
        url          <deploy-proxy/api: url>
        golden_rows  scores within 0.000001
    - upload           ecr-repository     runner/fraud
        because: the pipeline file asks for it no longer
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    17 to keep, 1 to delete, 2 to check.
    ");
}

#[test]
fn a_teardown_deletes_an_image_once_no_endpoint_and_no_model_needs_it() {
    let fixture = Fixture::torn_down(OWN);
    let mut world = World::satisfying(&fixture.desired()).without("upload/image");
    for (of, name) in [(upload::IMAGE, "0ld0ld0ld0ld"), (create_endpoint::MODEL, "fraud-0ld0ld0ld0ld")] {
        world.strays.push(Stray { of, name: name.to_owned(), why: "an older version".to_owned() });
    }
    let plan = plan::plan(&fixture.desired(), &world, Goal::Absent).unwrap();
    let at = |name: &str| plan.changes.iter().position(|change| change.name == name).unwrap();
    assert!(plan.changes[at("0ld0ld0ld0ld")].needs.contains(&at("fraud-0ld0ld0ld0ld")));
    assert!(plan.changes[at("runner/fraud")].needs.contains(&at("0ld0ld0ld0ld")));
}
