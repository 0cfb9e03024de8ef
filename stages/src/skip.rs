//! Stages that one command leaves out.

use std::collections::BTreeSet;
use std::fmt;

use plan::ResourceId;

use crate::{ALL, Item, teardown};

/// Stages that one command leaves out: what they own is not declared, and so is neither looked at nor touched.
///
/// For a server that does not have what a stage needs, and for whoever deploys all but a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skip(BTreeSet<String>);

impl Skip {
    /// The stages of these names.
    pub fn new<'a>(stages: impl IntoIterator<Item = &'a str>) -> Self {
        Self(stages.into_iter().map(ToOwned::to_owned).collect())
    }

    /// Names of the stages that can be left out. Without `teardown`, what it keeps would go.
    pub fn possible() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|stage| stage.name).filter(|name| *name != teardown::STAGE.name)
    }

    /// Whether a stage is left out.
    pub fn contains(&self, stage: &str) -> bool {
        self.0.contains(stage)
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names of the stages, in reading order.
    pub fn stages(&self) -> impl Iterator<Item = &'static str> {
        Self::possible().filter(|stage| self.contains(stage))
    }

    /// Says what of these items needs something that is left out.
    pub(crate) fn check(&self, items: &[Item]) -> Result<(), SkipError> {
        let lacking: Vec<_> = items.iter().flat_map(|item| self.lacking(item)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let mut whole = self.clone();
        // Each round adds a stage at least.
        for _ in ALL {
            let more =
                items.iter().filter(|item| !whole.contains(item.id().stage()) && !whole.lacking(item).is_empty());
            let more: Vec<_> = more.map(|item| item.id().stage().to_owned()).collect();
            whole.0.extend(more);
        }
        let add = whole.stages().filter(|stage| !self.contains(stage)).collect();
        Err(SkipError { lacking, add })
    }

    /// What one item needs of what is left out, each with the stage that needs it.
    fn lacking(&self, item: &Item) -> Vec<(String, ResourceId)> {
        let id = item.id();
        let needed: BTreeSet<_> = item.needs().into_iter().filter(|need| self.contains(need.stage())).collect();
        needed.into_iter().map(|need| (id.stage().to_owned(), need)).collect()
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.stages().map(|stage| format!("`{stage}`")).collect();
        f.write_str(&names.join(", "))
    }
}

/// A stage needs what another one brings forth, and that one is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkipError {
    lacking: Vec<(String, ResourceId)>,
    add: Vec<&'static str>,
}

impl fmt::Display for SkipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut needs: Vec<String> = vec![];
        for (stage, need) in &self.lacking {
            let words = format!("stage `{stage}` needs `{need}`");
            if !needs.contains(&words) {
                needs.push(words);
            }
        }
        let left_out: BTreeSet<_> = self.lacking.iter().map(|(_, need)| format!("`{}`", need.stage())).collect();
        let left_out = left_out.into_iter().collect::<Vec<_>>().join(", ");
        let add: Vec<_> = self.add.iter().map(|stage| format!("--skip {stage}")).collect();
        write!(f, "{}; add `{}`, or do not skip {left_out}", needs.join(", "), add.join(" "))
    }
}

impl std::error::Error for SkipError {}

#[cfg(test)]
mod tests {
    use plan::{Action, Facts, Goal, Observation, Stray, World};

    use super::*;
    use crate::fixture::Fixture;
    use crate::{create_endpoint, upload};

    const ALL_BUT_TRAIN: [&str; 6] =
        ["package", "upload", "create-role", "create-endpoint", "deploy-proxy", "smoke-test"];

    fn refusal<const N: usize>(stages: &str, skip: [&str; N]) -> String {
        Fixture::with(stages).skipping(skip).declared().check_skips().unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_is_not_in_the_plan_and_its_order_is_dropped() {
        let fixture = Fixture::with("").skipping(["create-endpoint", "smoke-test"]);
        assert_eq!(fixture.declared().check_skips(), Ok(()));
        let plan = plan::plan(&fixture.desired(), &World::default(), Goal::Present).unwrap();
        assert!(plan.changes.iter().any(|change| change.id.as_str() == "deploy-proxy/function"));
        let touched = plan.changes.iter().find(|change| fixture.skip.contains(change.id.stage()));
        assert_eq!(touched, None);
    }

    #[test]
    fn every_stage_alone_is_left_out_or_the_refusal_says_what_to_add() {
        for stage in Skip::possible() {
            let fixture = Fixture::with("").skipping([stage]);
            let Err(error) = fixture.declared().check_skips() else { continue };
            let whole: Vec<_> = error.add.iter().copied().chain([stage]).collect();
            let declared = Fixture { skip: Skip::new(whole), ..fixture }.declared();
            assert_eq!(declared.check_skips(), Ok(()), "{error}");
            plan::plan(&declared.desired(Goal::Present), &World::default(), Goal::Present).unwrap();
        }
    }

    #[test]
    fn a_stage_that_needs_what_is_left_out_is_named_with_what_it_needs() {
        insta::assert_snapshot!(refusal("", ["create-role"]), @"stage `create-endpoint` needs `create-role/sagemaker`, stage `deploy-proxy` needs `create-role/proxy`; add `--skip create-endpoint --skip deploy-proxy --skip smoke-test`, or do not skip `create-role`");
        insta::assert_snapshot!(refusal("", ["deploy-proxy"]), @"stage `smoke-test` needs `deploy-proxy/api`; add `--skip smoke-test`, or do not skip `deploy-proxy`");
        insta::assert_snapshot!(refusal("{ train: { on: sagemaker } }", ALL_BUT_TRAIN), @"stage `train` needs `create-role/sagemaker`, stage `train` needs `upload/bucket`; add `--skip train`, or do not skip `create-role`, `upload`");
        let chosen = "{ train: { data: rows.csv } }, { deploy-proxy: { response: { threshold: best-f1 } } }";
        insta::assert_snapshot!(refusal(chosen, ["create-endpoint"]), @"stage `deploy-proxy` needs `create-endpoint/endpoint`; add `--skip deploy-proxy --skip smoke-test`, or do not skip `create-endpoint`");
    }

    #[test]
    fn a_model_can_be_trained_and_nothing_else() {
        let fixture = Fixture::with("").skipping(ALL_BUT_TRAIN);
        assert_eq!(fixture.declared().check_skips(), Ok(()));
        insta::assert_snapshot!(fixture.plan(&World::default(), Goal::Present), @"
        + train  model-file  3f9a0c123f9a
            data  rows 3f9a0c12
        ? train  gate        metrics
        1 to create, 1 to check.
        ");
    }

    #[test]
    fn older_versions_stay_while_what_may_use_them_is_left_out() {
        let stray = |of: ResourceId, name: &str| Stray { of, name: name.to_owned(), why: "older".to_owned() };
        let strays = |skip: &[&str]| {
            let fixture = Fixture { skip: Skip::new(skip.iter().copied()), ..Fixture::with("") };
            let desired = fixture.desired();
            let mut world = World::satisfying(&desired);
            world.strays = vec![
                stray(upload::MODEL, "models/0/model.tar.gz"),
                stray(upload::EVALUATION, "models/0/evaluation.json"),
                stray(create_endpoint::MODEL, "fraud-000000000000"),
            ];
            let plan = plan::plan(&desired, &world, Goal::Present).unwrap();
            plan.changes.into_iter().filter(|change| change.stray).map(|change| change.name).collect::<Vec<_>>()
        };
        assert_eq!(strays(&[]).len(), 3);
        assert_eq!(strays(&["smoke-test"]).len(), 3);
        assert_eq!(strays(&["create-endpoint", "smoke-test"]), Vec::<String>::new());
    }

    #[test]
    fn what_is_asked_for_no_longer_stays_while_what_may_use_it_is_left_out() {
        let goes = |skip: &[&str]| {
            let fixture = Fixture { skip: Skip::new(skip.iter().copied()), ..Fixture::with("") };
            let desired = fixture.desired();
            let present = Observation::Present { facts: Facts::default(), outputs: plan::Outputs::new() };
            let world = World::satisfying(&desired).with(upload::REPOSITORY, present);
            let plan = plan::plan(&desired, &world, Goal::Present).unwrap();
            let gone = plan.changes.into_iter().filter(|change| change.action == Action::Delete);
            gone.map(|change| change.kind).collect::<Vec<_>>()
        };
        assert_eq!(goes(&[]), ["ecr-repository"]);
        assert_eq!(goes(&["create-endpoint", "smoke-test"]), Vec::<String>::new());
    }

    #[test]
    fn a_teardown_leaves_what_is_left_out_and_knows_what_that_used() {
        let fixture = Fixture::with("");
        let world = World::satisfying(&fixture.desired());
        let fixture = fixture.skipping(["upload", "create-endpoint"]);
        insta::assert_snapshot!(fixture.plan(&world, Goal::Absent), @"
        - deploy-proxy  lambda-permission  runner
        - deploy-proxy  http-api           fraud
        - deploy-proxy  lambda-function    fraud-proxy
        - deploy-proxy  log-group          /aws/vendedlogs/apis/fraud
        - deploy-proxy  log-group          /aws/lambda/fraud-proxy
        - create-role   iam-role           fraud-us-east-1-proxy
        - create-role   iam-role           fraud-us-east-1-sagemaker
        - package       archive            proxy.zip
        - package       archive            model.tar.gz
        - train         model-file         3f9a0c123f9a
        10 to delete.
        ");
        let declared = fixture.declared();
        assert_eq!(declared.used_by_left_out(&crate::create_role::EXECUTION), Some(create_endpoint::MODEL));
        assert_eq!(declared.used_by_left_out(&crate::create_role::PROXY), None);
    }

    #[test]
    fn what_a_teardown_keeps_cannot_be_left_out() {
        assert!(!Skip::possible().any(|stage| stage == "teardown"));
        assert_eq!(Skip::possible().count(), ALL.len() - 1);
    }
}
