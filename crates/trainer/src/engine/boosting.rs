//! Gradient boosting by `forust-ml`, with `XGBoost`'s parameters, defaults and histogram method.

use forust_ml::objective::ObjectiveType;
use forust_ml::tree::Tree;
use forust_ml::{GradientBooster, Matrix};
use linfa::ParamGuard;
use linfa::traits::{Fit, PredictInplace};
use model::{Model, Node, TreeError, threshold_from_f64};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::{EngineError, Fitted, Rows, within};

/// Parameters of gradient boosting, as `XGBoost` names and defaults them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GradientBoosting {
    /// 1 to 10,000.
    pub trees: u32,
    /// Above 0, at most 1.
    pub learning_rate: f32,
    /// 1 to 16.
    pub depth: u8,
    /// L2 on leaf weights, at least 0.
    pub l2: f32,
    /// Smallest sum of hessians in a leaf, at least 0.
    pub min_leaf_weight: f32,
}

impl Default for GradientBoosting {
    fn default() -> Self {
        Self { trees: 100, learning_rate: 0.3, depth: 6, l2: 1.0, min_leaf_weight: 1.0 }
    }
}

/// Every row starts at a score of a half, which was `XGBoost`'s way until 2.0.
///
/// To start at the mean is to start with hessians near 0 where a class is rare, so that the first leaf of a few hundred
/// rows steps far beyond its aim and the next trees swing ever wider: 138 frauds among 80,000 rows gave a model no
/// better than chance.
const START_MARGIN: f64 = 0.0;

/// Parameters in their ranges, with the number of threads to use.
#[derive(Debug)]
pub(crate) struct Checked {
    parameters: GradientBoosting,
    /// None: one per processor.
    threads: Option<usize>,
}

/// Parameters that nobody has looked at.
#[derive(Debug)]
pub(crate) struct Unchecked(Checked);

impl Unchecked {
    pub(crate) fn new(parameters: GradientBoosting) -> Self {
        Self(Checked { parameters, threads: None })
    }
}

impl ParamGuard for Unchecked {
    type Checked = Checked;
    type Error = EngineError;

    fn check_ref(&self) -> Result<&Checked, EngineError> {
        let GradientBoosting { trees, learning_rate, depth, l2, min_leaf_weight } = self.0.parameters;
        within("trees", trees.into(), (1..=10_000).contains(&trees), "1 to 10,000")?;
        let rate = learning_rate;
        within("learning-rate", rate.into(), rate > 0.0 && rate <= 1.0, "above 0 and at most 1")?;
        within("depth", depth.into(), (1..=16).contains(&depth), "1 to 16")?;
        within("l2", l2.into(), l2 >= 0.0 && l2.is_finite(), "at least 0")?;
        let weight = min_leaf_weight;
        within("min-leaf-weight", weight.into(), weight >= 0.0 && weight.is_finite(), "at least 0")?;
        Ok(&self.0)
    }

    fn check(self) -> Result<Checked, EngineError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl Fit<Array2<f64>, Array1<bool>, EngineError> for Checked {
    type Object = Boosted;

    fn fit(&self, rows: &Rows) -> Result<Boosted, EngineError> {
        let mut booster = GradientBooster::default()
            .set_objective_type(ObjectiveType::LogLoss)
            .set_iterations(self.parameters.trees as usize)
            .set_learning_rate(self.parameters.learning_rate)
            .set_max_depth(self.parameters.depth.into())
            .set_l2(self.parameters.l2)
            .set_min_leaf_weight(self.parameters.min_leaf_weight)
            .set_initialize_base_score(false)
            .set_base_score(START_MARGIN)
            .set_num_threads(self.threads);
        let labels: Vec<f64> = rows.targets().iter().map(|it| f64::from(u8::from(*it))).collect();
        columns(rows.records(), |matrix| booster.fit_unweighted(matrix, &labels, None))?;
        Ok(Boosted(booster))
    }
}

/// Shows rows to `forust-ml`, which takes them column after column; copies them only if they are not laid out so.
fn columns<R>(rows: &Array2<f64>, use_them: impl FnOnce(&Matrix<f64>) -> R) -> R {
    let transposed = rows.t();
    let columns = transposed.as_standard_layout();
    let values = columns.as_slice().unwrap_or_default();
    use_them(&Matrix::new(values, rows.nrows(), rows.ncols()))
}

/// A fitted booster. Predicts probabilities.
pub(crate) struct Boosted(GradientBooster);

impl PredictInplace<Array2<f64>, Array1<f64>> for Boosted {
    fn predict_inplace(&self, rows: &Array2<f64>, scores: &mut Array1<f64>) {
        let margins = columns(rows, |matrix| self.0.predict(matrix, true));
        *scores = margins.into_iter().map(|it| 1.0 / (1.0 + (-it).exp())).collect();
    }

    fn default_target(&self, rows: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(rows.nrows())
    }
}

impl Fitted for Boosted {
    fn export(&self, features: &[String]) -> Result<Model, EngineError> {
        let trees = self.0.trees.iter().map(tree).collect::<Result<Vec<_>, _>>()?;
        Ok(Model::boosted(features, START_MARGIN as f32, trees)?)
    }
}

/// Makes the tree that decides every `f32` as `forust-ml`'s does, which lists its nodes by number, the root first.
fn tree(tree: &Tree) -> Result<model::Tree, TreeError> {
    let nodes = tree.nodes.iter().map(|it| {
        if it.is_leaf {
            return Node::Leaf { value: it.weight_value, cover: it.hessian_sum };
        }
        Node::Split {
            feature: it.split_feature as u32,
            // Where only missing values go right, the threshold is beyond every f32.
            threshold: threshold_from_f64(it.split_value).min(f32::MAX),
            default_left: it.missing_node == it.left_child,
            left: it.left_child as u32,
            right: it.right_child as u32,
            gain: it.split_gain,
            cover: it.hessian_sum,
        }
    });
    model::Tree::new(nodes.collect())
}

#[cfg(test)]
mod tests {
    use linfa::traits::Predict;
    use ndarray::ShapeBuilder;

    use super::*;

    /// Rows of five columns with ties and, in the third, missing values; wide apart in size.
    fn rows() -> Rows {
        let mut random = crate::generate::Random::new(*b"test    ", 7);
        let count = 3000;
        let mut values = Vec::new();
        for scale in [1.0, 1e-3, 1e6, 1.0, 0.1_f32] {
            values.extend((0..count).map(|_| f64::from(random.below(1000) as f32 * scale / 7.0)));
        }
        values[2 * count..3 * count].iter_mut().step_by(3).for_each(|it| *it = f64::NAN);
        let values = Array2::from_shape_vec((count, 5).f(), values).unwrap();
        let labels = values.rows().into_iter().map(|it| it[0] > 100.0 && (it[2].is_nan() || it[4] > 5.0)).collect();
        Rows::new(values, labels)
    }

    fn fit(threads: usize) -> Boosted {
        let parameters = GradientBoosting { trees: 20, ..GradientBoosting::default() };
        Checked { parameters, threads: Some(threads) }.fit(&rows()).unwrap()
    }

    fn features() -> Vec<String> {
        ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec()
    }

    #[test]
    fn one_thread_and_many_give_the_same_bytes() {
        let bytes = [1, 1, 2, 5].map(|threads| fit(threads).export(&features()).unwrap().to_json());
        assert!(bytes.iter().all(|it| *it == bytes[0]));
    }

    #[test]
    fn the_exported_model_decides_every_row_as_the_booster_does() {
        let (rows, boosted) = (rows(), fit(2));
        let model = boosted.export(&features()).unwrap();
        let scores: Array1<f64> = boosted.predict(rows.records());
        for (row, score) in rows.records().rows().into_iter().zip(scores) {
            let row: Vec<f32> = row.iter().map(|it| *it as f32).collect();
            assert!((f64::from(model.score(&row)) - score).abs() < 1e-6, "{row:?}");
        }
    }

    #[test]
    fn a_feature_whose_absence_alone_tells_is_learned() {
        let values = Array2::from_shape_fn((200, 1), |(row, _)| if row % 2 == 0 { f64::NAN } else { 3.0 });
        let labels = (0..200).map(|row| row % 2 == 0).collect();
        let checked = Checked { parameters: GradientBoosting::default(), threads: None };
        let model = checked.fit(&Rows::new(values, labels)).unwrap().export(&["a".to_owned()]).unwrap();
        assert!(model.score(&[f32::NAN]) > 0.9 && model.score(&[3.0]) < 0.1);
    }

    #[test]
    fn a_parameter_out_of_its_range_is_refused() {
        let refusal = |change: fn(&mut GradientBoosting)| {
            let mut parameters = GradientBoosting::default();
            change(&mut parameters);
            Unchecked::new(parameters).check().unwrap_err().to_string()
        };
        let refusals = [
            refusal(|it| it.trees = 0),
            refusal(|it| it.learning_rate = f32::NAN),
            refusal(|it| it.depth = 17),
            refusal(|it| it.l2 = -1.0),
            refusal(|it| it.min_leaf_weight = f32::INFINITY),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @"
        `trees` is 0, it should be 1 to 10,000
        `learning-rate` is NaN, it should be above 0 and at most 1
        `depth` is 17, it should be 1 to 16
        `l2` is -1, it should be at least 0
        `min-leaf-weight` is inf, it should be at least 0
        ");
    }
}
