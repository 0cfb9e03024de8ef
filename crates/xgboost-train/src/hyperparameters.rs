//! Hyperparameters by the image's names, in its ranges, told off in its words.

use serde_json::{Map, Value};
use trainer::{ClassWeight, GradientBoosting};

use crate::TrainFailure;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hyperparameters {
    /// Without `monotone`: the features have no names before the channel is read.
    pub(crate) boosting: GradientBoosting,
    /// For each feature from the first on, whether the score rises (1) or falls (-1) with it, or is free (0).
    pub(crate) monotone_constraints: Vec<i8>,
    pub(crate) early_stopping_rounds: Option<usize>,
    /// Whether `eval_metric` was given: without it the image does not stop early.
    pub(crate) names_a_metric: bool,
}

/// What a hyperparameter may be here.
enum Takes {
    /// A number in the range that the image has for it.
    Number(Range),
    /// As [`Takes::Number`], but the engine knows this one value only, `XGBoost`'s default.
    Only(Range, f64),
    /// One of these words; the engine has them all, or they mean nothing to it.
    Word(&'static [&'static str]),
    /// A tuple such as `(1,0,-1)`.
    Signs,
    /// The image knows it, the engine does not.
    Nothing,
}

/// From, to, whether each end is in it, and whether only whole numbers are.
struct Range {
    least: f64,
    least_is_in: bool,
    most: f64,
    whole: bool,
}

const fn from(least: f64) -> Range {
    Range { least, least_is_in: true, most: f64::INFINITY, whole: false }
}

const fn above(least: f64) -> Range {
    Range { least, least_is_in: false, most: f64::INFINITY, whole: false }
}

impl Range {
    const fn to(mut self, most: f64) -> Self {
        self.most = most;
        self
    }

    const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    fn contains(&self, value: f64) -> bool {
        (value > self.least || (self.least_is_in && value >= self.least)) && value <= self.most
    }

    /// As the image prints its intervals.
    fn shown(&self) -> String {
        let open = if self.least_is_in { '[' } else { '(' };
        let least = if self.least == f64::NEG_INFINITY { "-inf".to_owned() } else { self.least.to_string() };
        if self.most == f64::INFINITY {
            format!("{open}{least}, +inf)")
        } else {
            format!("{open}{least}, {}]", self.most)
        }
    }
}

/// Every hyperparameter of the image. Source: `algorithm_mode/hyperparameter_validation.py`.
///
/// To let the engine have one more, its line becomes a [`Takes::Number`] and [`Hyperparameters::read`] gets a line.
const KNOWN: &[(&str, Takes)] = &[
    ("num_round", Takes::Number(from(1.0).whole())),
    ("eta", Takes::Number(from(0.0).to(1.0))),
    ("max_depth", Takes::Number(from(0.0).whole())),
    ("lambda", Takes::Number(from(0.0))),
    ("min_child_weight", Takes::Number(from(0.0))),
    ("early_stopping_rounds", Takes::Number(from(1.0).whole())),
    ("objective", Takes::Word(&["binary:logistic"])),
    ("eval_metric", Takes::Word(&["logloss"])),
    ("tree_method", Takes::Word(&["auto", "hist"])),
    ("booster", Takes::Word(&["gbtree"])),
    ("grow_policy", Takes::Word(&["depthwise"])),
    ("process_type", Takes::Word(&["default"])),
    ("save_model_on_termination", Takes::Word(&["false"])),
    // The engine's result does not depend on threads.
    ("nthread", Takes::Number(from(1.0).whole())),
    ("seed", Takes::Number(from(-2_147_483_647.0).to(2_147_483_646.0).whole())),
    ("verbosity", Takes::Number(from(0.0).to(3.0).whole())),
    ("alpha", Takes::Number(from(0.0))),
    ("subsample", Takes::Number(above(0.0).to(1.0))),
    ("colsample_bytree", Takes::Number(above(0.0).to(1.0))),
    ("scale_pos_weight", Takes::Number(above(0.0))),
    ("base_score", Takes::Only(from(0.0), 0.5)),
    ("gamma", Takes::Only(from(0.0), 0.0)),
    ("max_delta_step", Takes::Only(from(0.0), 0.0)),
    ("max_leaves", Takes::Only(from(0.0).whole(), 0.0)),
    ("max_bin", Takes::Only(from(0.0).whole(), 256.0)),
    ("colsample_bylevel", Takes::Only(above(0.0).to(1.0), 1.0)),
    ("colsample_bynode", Takes::Only(above(0.0).to(1.0), 1.0)),
    ("num_parallel_tree", Takes::Only(from(1.0).whole(), 1.0)),
    ("csv_weights", Takes::Only(from(0.0).to(1.0).whole(), 0.0)),
    ("monotone_constraints", Takes::Signs),
    ("interaction_constraints", Takes::Nothing),
    ("updater", Takes::Nothing),
    ("sketch_eps", Takes::Nothing),
    ("dsplit", Takes::Nothing),
    ("refresh_leaf", Takes::Nothing),
    ("predictor", Takes::Nothing),
    ("sample_type", Takes::Nothing),
    ("normalize_type", Takes::Nothing),
    ("rate_drop", Takes::Nothing),
    ("one_drop", Takes::Nothing),
    ("skip_drop", Takes::Nothing),
    ("lambda_bias", Takes::Nothing),
    ("tweedie_variance_power", Takes::Nothing),
    ("num_class", Takes::Nothing),
    ("_kfold", Takes::Nothing),
    ("_num_cv_round", Takes::Nothing),
    ("_tuning_objective_metric", Takes::Nothing),
    ("aft_loss_distribution", Takes::Nothing),
    ("aft_loss_distribution_scale", Takes::Nothing),
    ("single_precision_histogram", Takes::Nothing),
    ("deterministic_histogram", Takes::Nothing),
    ("sampling_method", Takes::Nothing),
];

impl Hyperparameters {
    /// Reads `hyperparameters.json`, whose values are all strings.
    pub(crate) fn read(given: &Map<String, Value>) -> Result<Self, TrainFailure> {
        if !given.contains_key("num_round") {
            return Err(TrainFailure::User("Missing required hyperparameter: num_round".to_owned()));
        }
        for name in given.keys() {
            check(name, text(given, name).unwrap_or_default())?;
        }
        if !given.contains_key("objective") {
            // The image would fit squared errors.
            return Err(TrainFailure::Unsupported("objective reg:squarederror, the default".to_owned()));
        }
        let default = GradientBoosting::default();
        let number = |name: &str| text(given, name).and_then(|text| text.trim().parse::<f64>().ok());
        let whole = |name: &str| text(given, name).and_then(|text| text.trim().parse::<u64>().ok());
        let depth = whole("max_depth").unwrap_or(default.depth.into());
        let boosting = GradientBoosting {
            trees: whole("num_round").and_then(|it| u32::try_from(it).ok()).unwrap_or(u32::MAX),
            learning_rate: number("eta").map_or(default.learning_rate, |it| it as f32),
            depth: u8::try_from(depth).unwrap_or(u8::MAX),
            l2: number("lambda").map_or(default.l2, |it| it as f32),
            l1: number("alpha").map_or(default.l1, |it| it as f32),
            min_leaf_weight: number("min_child_weight").map_or(default.min_leaf_weight, |it| it as f32),
            subsample: number("subsample").map_or(default.subsample, |it| it as f32),
            column_sample: number("colsample_bytree").map_or(default.column_sample, |it| it as f32),
            class_weight: number("scale_pos_weight")
                .map_or(default.class_weight, |it| ClassWeight::Positive(it as f32)),
            seed: text(given, "seed")
                .and_then(|it| it.trim().parse::<i64>().ok())
                .map_or(default.seed, i64::cast_unsigned),
            // The validation channel is watched instead of rows of the engine's own choice.
            early_stopping: None,
            monotone: default.monotone,
        };
        Ok(Self {
            boosting,
            monotone_constraints: text(given, "monotone_constraints").and_then(signs).unwrap_or_default(),
            early_stopping_rounds: whole("early_stopping_rounds").and_then(|it| usize::try_from(it).ok()),
            names_a_metric: given.contains_key("eval_metric"),
        })
    }
}

fn check(name: &str, value: &str) -> Result<(), TrainFailure> {
    let wrong = |text: String| Err(TrainFailure::User(text));
    let unsupported = || Err(TrainFailure::Unsupported(format!("{value} as hyperparameter {name}")));
    let Some((_, takes)) = KNOWN.iter().find(|(known, _)| *known == name) else {
        return wrong(format!("Extraneous hyperparameter found: {name}"));
    };
    let (range, only) = match takes {
        Takes::Signs => {
            return match signs(value) {
                Some(signs) if signs.iter().all(|sign| (-1..=1).contains(sign)) => Ok(()),
                Some(_) => wrong(format!("Hyperparameter {name}: {value} is not in [-1, 0, 1]")),
                None => wrong(format!("Hyperparameter {name}: could not parse value (caused by ValueError)")),
            };
        }
        Takes::Word(words) if value.split(',').all(|word| words.contains(&word.trim())) => return Ok(()),
        Takes::Nothing | Takes::Word(_) => return unsupported(),
        Takes::Number(range) => (range, None),
        Takes::Only(range, only) => (range, Some(*only)),
    };
    let parsed = value.trim().parse::<f64>().ok().filter(|_| !range.whole || value.trim().parse::<i64>().is_ok());
    let Some(parsed) = parsed else {
        return wrong(format!("Hyperparameter {name}: could not parse value (caused by ValueError)"));
    };
    if !range.contains(parsed) {
        return wrong(format!("Hyperparameter {name}: {value} is not in {}", range.shown()));
    }
    #[expect(clippy::float_cmp, reason = "a default is met exactly or not at all")]
    match only {
        Some(only) if only != parsed => unsupported(),
        _ => Ok(()),
    }
}

/// Reads `(1,0,-1)`; a comma after the last is allowed, as in Python.
fn signs(value: &str) -> Option<Vec<i8>> {
    let inside = value.trim().strip_prefix('(')?.strip_suffix(')')?.trim();
    let inside = inside.strip_suffix(',').unwrap_or(inside);
    if inside.is_empty() {
        return Some(vec![]);
    }
    inside.split(',').map(|sign| sign.trim().parse().ok()).collect()
}

fn text<'a>(given: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    given.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<Hyperparameters, String> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        Hyperparameters::read(&given).map_err(|failure| failure.to_string())
    }

    #[test]
    fn names_of_the_image_become_the_engines_parameters_and_its_defaults_are_the_same() {
        let least = [("num_round", "100"), ("objective", "binary:logistic")];
        assert_eq!(read(&least).unwrap().boosting, GradientBoosting::default());
        let all = [("eta", "0.1"), ("max_depth", "4"), ("lambda", "2"), ("min_child_weight", "0.5")];
        let more = [("early_stopping_rounds", "7"), ("eval_metric", "logloss"), ("subsample", "0.75"), ("alpha", "3")];
        let rest = [("colsample_bytree", "0.5"), ("scale_pos_weight", "2.5"), ("seed", "7"), ("base_score", "0.5")];
        let monotone = [("monotone_constraints", "(1, 0,-1)")];
        let read = read(&[&least[..], &all, &more, &rest, &monotone].concat()).unwrap();
        let boosting = GradientBoosting {
            trees: 100,
            learning_rate: 0.1,
            depth: 4,
            l1: 3.0,
            l2: 2.0,
            min_leaf_weight: 0.5,
            subsample: 0.75,
            column_sample: 0.5,
            class_weight: ClassWeight::Positive(2.5),
            early_stopping: None,
            monotone: BTreeMap::new(),
            seed: 7,
        };
        let wanted = Hyperparameters {
            boosting,
            monotone_constraints: vec![1, 0, -1],
            early_stopping_rounds: Some(7),
            names_a_metric: true,
        };
        assert_eq!(read, wanted);
    }

    #[test]
    fn what_is_wrong_is_told_in_the_images_words_and_what_is_not_supported_is_no_secret() {
        let with = |name, value| read(&[("num_round", "1"), ("objective", "binary:logistic"), (name, value)]);
        let told = [
            read(&[("eta", "1")]),
            read(&[("num_round", "1")]),
            with("xyz", "1"),
            with("eta", "2"),
            with("subsample", "0"),
            with("max_depth", "six"),
            with("max_depth", "6.0"),
            with("alpha", "-1"),
            with("base_score", "0.1"),
            with("gamma", "1"),
            with("monotone_constraints", "(1,0,-2)"),
            with("monotone_constraints", "1,0"),
            with("objective", "reg:logistic"),
            with("eval_metric", "auc"),
        ];
        let told: Vec<String> = told.into_iter().map(Result::unwrap_err).collect();
        insta::assert_snapshot!(told.join("\n"), @"
        Missing required hyperparameter: num_round
        the local stand-in for this image does not support objective reg:squarederror, the default
        Extraneous hyperparameter found: xyz
        Hyperparameter eta: 2 is not in [0, 1]
        Hyperparameter subsample: 0 is not in (0, 1]
        Hyperparameter max_depth: could not parse value (caused by ValueError)
        Hyperparameter max_depth: could not parse value (caused by ValueError)
        Hyperparameter alpha: -1 is not in [0, +inf)
        the local stand-in for this image does not support 0.1 as hyperparameter base_score
        the local stand-in for this image does not support 1 as hyperparameter gamma
        Hyperparameter monotone_constraints: (1,0,-2) is not in [-1, 0, 1]
        Hyperparameter monotone_constraints: could not parse value (caused by ValueError)
        the local stand-in for this image does not support reg:logistic as hyperparameter objective
        the local stand-in for this image does not support auc as hyperparameter eval_metric
        ");
    }
}
