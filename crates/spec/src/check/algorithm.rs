//! How to learn.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::columns::Features;
use super::words::{quoted, subject};
use super::{Checker, nearest, suggest};
use crate::forms::TextOr;
use crate::limits;
use crate::raw::{RawAlgorithm, RawEarlyStopping, RawGradientBoosting, RawLogisticRegression, RawRandomForest};
use crate::types::{
    Algorithm, ClassWeight, EarlyStopping, GradientBoosting, LogisticRegression, Monotone, RandomForest,
};

const PATH: &str = "stages.train.algorithm";
const KNOWN: [&str; 3] = ["gradient-boosting", "random-forest", "logistic-regression"];

pub(super) fn algorithm(
    checker: &mut Checker<'_>,
    raw: Option<TextOr<RawAlgorithm>>,
    features: &Features,
) -> Option<Algorithm> {
    let block = match raw {
        None => return Some(Algorithm::default()),
        Some(TextOr::Text(name)) => return by_name(checker, &name),
        Some(TextOr::Block(block)) => block,
    };
    match (block.gradient_boosting, block.random_forest, block.logistic_regression) {
        (Some(raw), None, None) => Some(Algorithm::GradientBoosting(gradient_boosting(checker, &raw.0, features))),
        (None, Some(raw), None) => Some(Algorithm::RandomForest(random_forest(checker, &raw.0))),
        (None, None, Some(raw)) => Some(Algorithm::LogisticRegression(logistic_regression(checker, &raw.0))),
        (None, None, None) => {
            let complaint = checker.places.complain(PATH, "`algorithm` names no algorithm");
            checker.say(complaint.help(format!("algorithms: {}", KNOWN.join(", "))));
            None
        }
        (boosting, forest, regression) => {
            let given = [boosting.is_some(), forest.is_some(), regression.is_some()];
            checker.two_of(PATH, &KNOWN, &given, "`algorithm` names two algorithms", ["one", "another"]);
            None
        }
    }
}

fn by_name(checker: &mut Checker<'_>, name: &str) -> Option<Algorithm> {
    match name {
        "gradient-boosting" => Some(Algorithm::default()),
        "random-forest" => Some(Algorithm::RandomForest(RandomForest::default())),
        "logistic-regression" => Some(Algorithm::LogisticRegression(LogisticRegression::default())),
        _ => {
            let complaint = checker.places.complain(PATH, format!("unknown algorithm {}", quoted(name)));
            checker.say(suggest(complaint, name, "algorithms", &KNOWN));
            None
        }
    }
}

fn gradient_boosting(checker: &mut Checker<'_>, raw: &RawGradientBoosting, features: &Features) -> GradientBoosting {
    let path = |key: &str| format!("{PATH}.gradient-boosting.{key}");
    let default = GradientBoosting::default();
    GradientBoosting {
        trees: checker.whole(&path("trees"), raw.trees, &limits::TREES, default.trees),
        learning_rate: share(checker, &path("learning-rate"), raw.learning_rate, default.learning_rate),
        depth: checker.whole(&path("depth"), raw.depth, &limits::DEPTH, default.depth),
        l1: not_negative(checker, &path("l1"), raw.l1, default.l1),
        l2: not_negative(checker, &path("l2"), raw.l2, default.l2),
        min_leaf_weight: not_negative(checker, &path("min-leaf-weight"), raw.min_leaf_weight, default.min_leaf_weight),
        subsample: share(checker, &path("subsample"), raw.subsample, default.subsample),
        column_sample: share(checker, &path("column-sample"), raw.column_sample, default.column_sample),
        class_weight: class_weight(checker, &path("class-weight"), raw.class_weight.as_ref()),
        early_stopping: raw.early_stopping.as_ref().map(|raw| early_stopping(checker, &path("early-stopping"), &raw.0)),
        monotone: monotone(checker, &path("monotone"), raw.monotone.as_ref(), features),
        seed: raw.seed.unwrap_or(default.seed),
    }
}

fn class_weight(checker: &mut Checker<'_>, path: &str, value: Option<&Value>) -> ClassWeight {
    match value {
        None => {}
        Some(Value::Number(number)) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            return ClassWeight::Positive(checker.above_zero(path, number, 1.0) as f32);
        }
        Some(Value::String(word)) if word == "balanced" => return ClassWeight::Balanced,
        Some(Value::String(word)) => {
            let complaint = checker.places.complain(path, format!("unknown class weight {}", quoted(word)));
            let help = "write `balanced`, or how many times a positive row counts, such as 10";
            checker.say(complaint.help(help));
        }
        Some(other) => checker.wrong_type(path, other, "a number or `balanced`"),
    }
    ClassWeight::default()
}

fn early_stopping(checker: &mut Checker<'_>, path: &str, raw: &RawEarlyStopping) -> EarlyStopping {
    let default = EarlyStopping::default();
    let (rounds, validation) = (format!("{path}.rounds"), format!("{path}.validation"));
    EarlyStopping {
        rounds: checker.whole(&rounds, raw.rounds, &limits::EARLY_STOPPING_ROUNDS, default.rounds),
        validation: checker.number(&validation, raw.validation, &limits::VALIDATION_SHARE, default.validation),
    }
}

fn monotone(
    checker: &mut Checker<'_>,
    path: &str,
    raw: Option<&BTreeMap<String, Value>>,
    features: &Features,
) -> BTreeMap<String, Monotone> {
    let mut constraints = BTreeMap::new();
    for (feature, direction) in raw.into_iter().flatten() {
        let path = format!("{path}.{feature}");
        if !features.has(feature) {
            let complaint = checker.places.complain_key(&path, format!("the model has no feature {}", quoted(feature)));
            checker.say(match nearest(feature, features.names.iter().map(String::as_str)) {
                _ if feature.contains("..") => complaint.help("name each feature by itself, without `..`"),
                Some(near) => complaint.help(format!("did you mean `{near}`?")),
                None => complaint.help("only what stands in `features` can be monotone"),
            });
        }
        let direction = match direction.as_str() {
            Some("increasing") => Monotone::Increasing,
            Some("decreasing") => Monotone::Decreasing,
            Some(other) => {
                let complaint = checker.places.complain(&path, format!("unknown direction {}", quoted(other)));
                checker.say(suggest(complaint, other, "directions", &["increasing", "decreasing"]));
                continue;
            }
            None => {
                checker.wrong_type(&path, direction, "`increasing` or `decreasing`");
                continue;
            }
        };
        constraints.insert(feature.clone(), direction);
    }
    constraints
}

fn random_forest(checker: &mut Checker<'_>, raw: &RawRandomForest) -> RandomForest {
    let path = |key: &str| format!("{PATH}.random-forest.{key}");
    let default = RandomForest::default();
    RandomForest {
        trees: checker.whole(&path("trees"), raw.trees, &limits::FOREST_TREES, default.trees),
        depth: checker.whole(&path("depth"), raw.depth, &limits::FOREST_DEPTH, default.depth),
        min_leaf_rows: checker.whole(
            &path("min-leaf-rows"),
            raw.min_leaf_rows,
            &limits::MIN_LEAF_ROWS,
            default.min_leaf_rows,
        ),
        row_sample: share(checker, &path("row-sample"), raw.row_sample, default.row_sample),
        column_sample: share(checker, &path("column-sample"), raw.column_sample, default.column_sample),
        seed: raw.seed.unwrap_or(default.seed),
    }
}

fn logistic_regression(checker: &mut Checker<'_>, raw: &RawLogisticRegression) -> LogisticRegression {
    let path = |key: &str| format!("{PATH}.logistic-regression.{key}");
    let default = LogisticRegression::default();
    LogisticRegression {
        l2: not_negative(checker, &path("l2"), raw.l2, default.l2),
        max_iterations: checker.whole(
            &path("max-iterations"),
            raw.max_iterations,
            &limits::MAX_ITERATIONS,
            default.max_iterations,
        ),
    }
}

fn share(checker: &mut Checker<'_>, path: &str, given: Option<f64>, default: f32) -> f32 {
    checker.share_above_zero(path, given, f64::from(default)) as f32
}

fn not_negative(checker: &mut Checker<'_>, path: &str, given: Option<f64>, default: f32) -> f32 {
    match given {
        Some(number) if !(number >= 0.0 && (number as f32).is_finite()) => {
            let message = format!("{} must be at least 0 and finite, not {number}", subject(path));
            checker.say(checker.places.complain(path, message));
            default
        }
        number => number.map_or(default, |number| number as f32),
    }
}
