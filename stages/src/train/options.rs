//! The spec's parameters in the trainer's words, and in a person's.

use spec::{Algorithm, ClassWeight, Fit, Monotone};

/// What the trainer is told.
pub(crate) fn options(fit: &Fit) -> trainer::Options {
    let algorithm = match &fit.algorithm {
        Algorithm::GradientBoosting(it) => trainer::Algorithm::GradientBoosting(trainer::GradientBoosting {
            trees: it.trees,
            learning_rate: it.learning_rate,
            depth: it.depth,
            l1: it.l1,
            l2: it.l2,
            min_leaf_weight: it.min_leaf_weight,
            subsample: it.subsample,
            column_sample: it.column_sample,
            class_weight: match it.class_weight {
                ClassWeight::Positive(weight) => trainer::ClassWeight::Positive(weight),
                ClassWeight::Balanced => trainer::ClassWeight::Balanced,
            },
            early_stopping: it
                .early_stopping
                .map(|it| trainer::EarlyStopping { rounds: it.rounds, validation: it.validation }),
            monotone: it.monotone.iter().map(|(feature, way)| (feature.clone(), monotone(*way))).collect(),
            seed: it.seed,
        }),
        Algorithm::RandomForest(it) => trainer::Algorithm::RandomForest(trainer::RandomForest {
            trees: it.trees,
            depth: it.depth,
            min_leaf_rows: it.min_leaf_rows,
            row_sample: it.row_sample,
            column_sample: it.column_sample,
            seed: it.seed,
        }),
        Algorithm::LogisticRegression(it) => trainer::Algorithm::LogisticRegression(trainer::LogisticRegression {
            l2: it.l2,
            max_iterations: it.max_iterations,
        }),
    };
    trainer::Options { algorithm, split: trainer::Split { test: fit.split.test, seed: fit.split.seed } }
}

fn monotone(way: Monotone) -> trainer::Monotone {
    match way {
        Monotone::Increasing => trainer::Monotone::Increasing,
        Monotone::Decreasing => trainer::Monotone::Decreasing,
    }
}

/// How the proxy decides, in the trainer's words.
pub fn threshold(threshold: spec::Threshold) -> trainer::Threshold {
    match threshold {
        spec::Threshold::Fixed(score) => trainer::Threshold::Fixed(score),
        spec::Threshold::BestF1 => trainer::Threshold::BestF1,
        spec::Threshold::Precision(least) => trainer::Threshold::Precision(least),
        spec::Threshold::Cost { miss, false_alarm } => trainer::Threshold::Cost { miss, false_alarm },
    }
}

/// What changes the model and differs from the default, so that a plan names it.
pub(crate) fn algorithm_words(algorithm: &Algorithm) -> String {
    let mut words = vec![];
    match algorithm {
        Algorithm::GradientBoosting(it) => {
            let usual = spec::GradientBoosting::default();
            words.push(format!(
                "gradient boosting, {} trees, learning rate {}, depth {}",
                it.trees, it.learning_rate, it.depth
            ));
            let numbers = [
                ("l1", it.l1, usual.l1),
                ("l2", it.l2, usual.l2),
                ("min leaf weight", it.min_leaf_weight, usual.min_leaf_weight),
                ("subsample", it.subsample, usual.subsample),
                ("column sample", it.column_sample, usual.column_sample),
            ];
            let unusual = numbers.iter().filter(|(_, value, usual)| value.to_bits() != usual.to_bits());
            words.extend(unusual.map(|(name, value, _)| format!("{name} {value}")));
            match it.class_weight {
                ClassWeight::Balanced => words.push("classes balanced".to_owned()),
                weight if weight == usual.class_weight => {}
                ClassWeight::Positive(weight) => words.push(format!("positives count {weight} times")),
            }
            if let Some(stop) = it.early_stopping {
                words.push(format!("stopping {} trees after the best on {} of the rows", stop.rounds, stop.validation));
            }
            let ways = it.monotone.iter().map(|(feature, way)| match way {
                Monotone::Increasing => format!("rising with {feature}"),
                Monotone::Decreasing => format!("falling with {feature}"),
            });
            words.extend(ways);
            words.extend((it.seed != usual.seed).then(|| format!("seed {}", it.seed)));
        }
        Algorithm::RandomForest(it) => {
            words.push(format!("random forest, {} trees, depth {}, seed {}", it.trees, it.depth, it.seed));
        }
        Algorithm::LogisticRegression(it) => words.push(format!("logistic regression, l2 {}", it.l2)),
    }
    words.join(", ")
}
