//! linfa's logistic regression on standardised features, the standardisation folded into the weights afterwards.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, PredictInplace};
use model::Model;
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

use super::{EngineError, Fitted, Rows, refuse_missing, within};

/// What messages call it.
pub(crate) const NAME: &str = "logistic regression";

/// Parameters of logistic regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogisticRegression {
    /// L2 on the weights of standardised features, at least 0; the inverse of scikit-learn's C.
    pub l2: f32,
    /// 1 to 100,000.
    pub max_iterations: u64,
}

impl Default for LogisticRegression {
    fn default() -> Self {
        Self { l2: 1.0, max_iterations: 100 }
    }
}

/// Parameters that nobody has looked at, and the features' names for what there is to say about them.
pub(crate) struct Unchecked {
    checked: Checked,
    parameters: LogisticRegression,
}

/// Parameters in their ranges.
pub(crate) struct Checked {
    engine: linfa_logistic::LogisticRegression<f64>,
    features: Vec<String>,
}

impl Unchecked {
    pub(crate) fn new(parameters: LogisticRegression, features: &[String]) -> Self {
        let engine = linfa_logistic::LogisticRegression::default()
            .alpha(f64::from(parameters.l2))
            .max_iterations(parameters.max_iterations);
        Self { checked: Checked { engine, features: features.to_vec() }, parameters }
    }
}

impl ParamGuard for Unchecked {
    type Checked = Checked;
    type Error = EngineError;

    fn check_ref(&self) -> Result<&Checked, EngineError> {
        let LogisticRegression { l2, max_iterations } = self.parameters;
        within("l2", l2.into(), l2 >= 0.0 && l2.is_finite(), "at least 0")?;
        let iterations = max_iterations;
        within("max-iterations", iterations as f64, (1..=100_000).contains(&iterations), "1 to 100,000")?;
        Ok(&self.checked)
    }

    fn check(self) -> Result<Checked, EngineError> {
        self.check_ref()?;
        Ok(self.checked)
    }
}

impl Fit<Array2<f64>, Array1<bool>, EngineError> for Checked {
    type Object = Logistic;

    fn fit(&self, rows: &Rows) -> Result<Logistic, EngineError> {
        // XGBoost counts a missing value as 0 times its weight, which after folding is no sensible value to assume.
        refuse_missing(NAME, "rows to train on", rows.records(), &self.features)?;
        let scaler = Scaler::of(rows.records());
        let scaled = DatasetBase::new(scaler.apply(rows.records()), rows.targets().clone());
        let fitted = self.engine.fit(&scaled)?;
        // linfa takes the class with more rows for the positive one.
        let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        let weights = fitted.params() * sign / &scaler.deviation;
        let bias = sign * fitted.intercept() - weights.dot(&scaler.mean);
        Ok(Logistic { weights, bias })
    }
}

/// Moves every column to mean 0 and deviation 1; a constant column only to mean 0.
struct Scaler {
    mean: Array1<f64>,
    deviation: Array1<f64>,
}

impl Scaler {
    fn of(rows: &Array2<f64>) -> Self {
        let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
        let deviation = rows.std_axis(Axis(0), 0.0).mapv(|it| if it > 0.0 { it } else { 1.0 });
        Self { mean, deviation }
    }

    fn apply(&self, rows: &Array2<f64>) -> Array2<f64> {
        (rows - &self.mean) / &self.deviation
    }
}

/// A fitted regression on features as they come. Predicts probabilities.
pub(crate) struct Logistic {
    weights: Array1<f64>,
    bias: f64,
}

impl PredictInplace<Array2<f64>, Array1<f64>> for Logistic {
    fn predict_inplace(&self, rows: &Array2<f64>, scores: &mut Array1<f64>) {
        *scores = (rows.dot(&self.weights) + self.bias).mapv(|it| 1.0 / (1.0 + (-it).exp()));
    }

    fn default_target(&self, rows: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(rows.nrows())
    }
}

impl Fitted for Logistic {
    fn export(&self, features: &[String]) -> Result<Model, EngineError> {
        let weights = self.weights.iter().map(|it| *it as f32).collect();
        Ok(Model::linear(features, weights, self.bias as f32)?)
    }
}

#[cfg(test)]
mod tests {
    use linfa::traits::Predict;

    use super::*;

    /// Label true where a + 2 b is large; b is a thousand times as wide as a, and c is constant.
    fn rows(most_are_positive: bool) -> Rows {
        let mut random = crate::generate::Random::new(*b"test    ", 7);
        let mut number = || random.below(1000) as f32;
        let values =
            Array2::from_shape_fn((800, 3), |(_, column)| f64::from([number() / 1000.0, number(), 4.0][column]));
        let limit = if most_are_positive { 1.0 } else { 2.0 };
        let labels = values.rows().into_iter().map(|it| it[0] + it[1] / 500.0 > limit).collect();
        Rows::new(values, labels)
    }

    fn features() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    #[test]
    fn either_class_may_be_the_more_frequent() {
        for most_are_positive in [false, true] {
            let rows = rows(most_are_positive);
            let fitted = Unchecked::new(LogisticRegression::default(), &features()).fit(&rows).unwrap();
            let scores: Array1<f64> = fitted.predict(rows.records());
            let right = scores.iter().zip(rows.targets()).filter(|(score, label)| (**score > 0.5) == **label).count();
            assert!(right > 780, "only {right} of 800 are right");
        }
    }

    #[test]
    fn the_exported_model_scores_rows_as_they_come() {
        let rows = rows(false);
        let fitted = Unchecked::new(LogisticRegression::default(), &features()).fit(&rows).unwrap();
        let model = fitted.export(&features()).unwrap();
        let scores: Array1<f64> = fitted.predict(rows.records());
        for (row, score) in rows.records().rows().into_iter().zip(scores) {
            let row: Vec<f32> = row.iter().map(|it| *it as f32).collect();
            assert!((f64::from(model.score(&row)) - score).abs() < 1e-6, "{row:?}");
        }
    }

    #[test]
    fn a_missing_value_is_refused() {
        let mut rows = rows(false);
        rows.records[(3, 1)] = f64::NAN;
        let refusal = Unchecked::new(LogisticRegression::default(), &features()).fit(&rows).err().unwrap();
        insta::assert_snapshot!(refusal, @"logistic regression needs every value, and `b` is missing in 1 of the rows to train on; gradient boosting copes");
    }

    #[test]
    fn a_parameter_out_of_its_range_is_refused() {
        let refusal = |l2, max_iterations| {
            let parameters = LogisticRegression { l2, max_iterations };
            Unchecked::new(parameters, &features()).check_ref().err().unwrap().to_string()
        };
        insta::assert_snapshot!([refusal(-0.5, 1), refusal(1.0, 0)].join("\n"), @"
        `l2` is -0.5, it should be at least 0
        `max-iterations` is 0, it should be 1 to 100,000
        ");
    }
}
