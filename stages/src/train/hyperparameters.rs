//! The spec's parameters by the names of the `sagemaker-xgboost` image.

use std::collections::BTreeMap;

use spec::{ClassWeight, GradientBoosting, Monotone};

/// What the image is told. `negatives` and `positives` count the rows that trees are grown on.
///
/// The start is a half, which only from `XGBoost` 2.0 on must be said, and the method is the one that this machine's
/// trainer has.
pub(super) fn hyperparameters(
    boosting: &GradientBoosting,
    features: &[String],
    negatives: usize,
    positives: usize,
) -> BTreeMap<String, String> {
    let class_weight = match boosting.class_weight {
        ClassWeight::Positive(weight) => weight.to_string(),
        ClassWeight::Balanced => (negatives as f64 / positives.max(1) as f64).to_string(),
    };
    let mut told = BTreeMap::from([
        ("objective", "binary:logistic".to_owned()),
        ("tree_method", "hist".to_owned()),
        ("base_score", "0.5".to_owned()),
        ("eval_metric", "logloss".to_owned()),
        ("num_round", boosting.trees.to_string()),
        ("eta", boosting.learning_rate.to_string()),
        ("max_depth", boosting.depth.to_string()),
        ("alpha", boosting.l1.to_string()),
        ("lambda", boosting.l2.to_string()),
        ("min_child_weight", boosting.min_leaf_weight.to_string()),
        ("subsample", boosting.subsample.to_string()),
        ("colsample_bytree", boosting.column_sample.to_string()),
        ("scale_pos_weight", class_weight),
        ("seed", boosting.seed.to_string()),
    ]);
    if let Some(stopping) = boosting.early_stopping {
        told.insert("early_stopping_rounds", stopping.rounds.to_string());
    }
    if !boosting.monotone.is_empty() {
        let signs = features.iter().map(|feature| match boosting.monotone.get(feature) {
            Some(Monotone::Increasing) => "1",
            Some(Monotone::Decreasing) => "-1",
            None => "0",
        });
        told.insert("monotone_constraints", format!("({})", signs.collect::<Vec<_>>().join(",")));
    }
    told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use spec::EarlyStopping;

    use super::*;

    fn told(boosting: &GradientBoosting) -> String {
        let features = ["a", "b", "c"].map(str::to_owned);
        let told = hyperparameters(boosting, &features, 300, 100);
        told.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_defaults_are_told_by_the_images_names() {
        insta::assert_snapshot!(told(&GradientBoosting::default()), @"alpha=0 base_score=0.5 colsample_bytree=1 eta=0.3 eval_metric=logloss lambda=1 max_depth=6 min_child_weight=1 num_round=100 objective=binary:logistic scale_pos_weight=1 seed=42 subsample=1 tree_method=hist");
    }

    #[test]
    fn every_parameter_is_told() {
        let boosting = GradientBoosting {
            trees: 7,
            learning_rate: 0.1,
            depth: 3,
            l1: 0.5,
            l2: 2.0,
            min_leaf_weight: 1e-7,
            subsample: 0.75,
            column_sample: 0.6,
            class_weight: ClassWeight::Balanced,
            early_stopping: Some(EarlyStopping { rounds: 5, validation: 0.1 }),
            monotone: BTreeMap::from([("c".to_owned(), Monotone::Decreasing), ("a".to_owned(), Monotone::Increasing)]),
            seed: 9,
        };
        // Source: `HyperParameters` of the SageMaker API.
        assert!(told(&boosting).split(' ').count() <= 100);
        insta::assert_snapshot!(told(&boosting), @"alpha=0.5 base_score=0.5 colsample_bytree=0.6 early_stopping_rounds=5 eta=0.1 eval_metric=logloss lambda=2 max_depth=3 min_child_weight=0.0000001 monotone_constraints=(1,0,-1) num_round=7 objective=binary:logistic scale_pos_weight=3 seed=9 subsample=0.75 tree_method=hist");
    }
}
