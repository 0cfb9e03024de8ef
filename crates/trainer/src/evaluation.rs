//! What is known about a model: how it scores rows that it has not seen, and what it looks at.

use model::{Model, Node};
use serde::{Deserialize, Serialize};

use crate::scores::ScoresError;
use crate::{Metrics, Options, Scores, Table, measure};

/// Rows that are kept with their scores, to try a deployed model with.
const GOLDEN_ROWS: usize = 8;

/// The most points that a [`LearningCurve`] has.
pub const LEARNING_CURVE_POINTS: u32 = 200;

/// Everything to know about a trained model that its file does not say. Its JSON form is kept beside the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evaluation {
    /// [`VERSION`](crate::VERSION) of the trainer.
    pub trainer_version: String,
    /// Name of the column that is predicted.
    pub label: String,
    /// Names of the columns that it is predicted from, in order.
    pub features: Vec<String>,
    /// How it was trained.
    pub options: Options,
    /// What it was trained on.
    pub train: Counts,
    /// What it was judged on.
    pub test: Counts,
    /// What the written model reaches on the test rows.
    pub metrics: Metrics,
    /// The scores that the written model gives the test rows.
    pub test_scores: Scores,
    /// What the model looks at, the feature of the greatest gain first.
    pub importance: Vec<Importance>,
    /// How the loss fell while it was trained; none for a model that does not grow tree by tree.
    pub learning_curve: Option<LearningCurve>,
    /// What is odd about the data, for people.
    pub warnings: Vec<String>,
    /// Test rows from the lowest score to the highest, with the scores of the written model.
    pub golden_rows: Vec<GoldenRow>,
}

/// What scoring test rows tells about a model, wherever it was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judged {
    /// What it was judged on.
    pub test: Counts,
    /// What it reaches on the test rows.
    pub metrics: Metrics,
    /// The scores that it gives the test rows.
    pub test_scores: Scores,
    /// What it looks at, the feature of the greatest gain first.
    pub importance: Vec<Importance>,
    /// Test rows from the lowest score to the highest, with their scores.
    pub golden_rows: Vec<GoldenRow>,
}

/// How many rows there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// All of them.
    pub rows: usize,
    /// Those with the label 1.
    pub positives: usize,
}

/// A row and the score that a deployed model must give it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GoldenRow {
    /// As wide as the model; none where the value is missing.
    pub features: Vec<Option<f32>>,
    /// An f32, widened.
    pub score: f64,
}

/// How much a model's trees look at a feature; `XGBoost`'s `total_gain`, `total_cover` and `weight`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Importance {
    /// Its name.
    pub feature: String,
    /// How much the splits by it improved the training loss, in all. 0 for a linear model.
    pub gain: f64,
    /// Sum of the second derivatives of the rows that came to these splits. 0 for a linear model.
    pub cover: f64,
    /// How many splits there are by it. 0 for a linear model.
    pub splits: u64,
    /// Of a linear model only: log odds for each unit of the feature.
    ///
    /// It says nothing about importance unless all features are on one scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f32>,
}

/// The log loss after so many trees; with a class weight, weighted as in training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LearningCurve {
    /// Numbers of trees, rising; at most [`LEARNING_CURVE_POINTS`], and with early stopping those tried in vain as well.
    pub trees: Vec<u32>,
    /// On the rows that the trees are grown on, for each number of trees.
    pub train_log_loss: Vec<f64>,
    /// On the rows that early stopping watches, for each number of trees.
    pub validation_log_loss: Option<Vec<f64>>,
    /// How many trees the model has: without early stopping all, with it those up to the least loss.
    pub best: u32,
}

/// Why a model cannot be judged by these rows.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The columns cannot be those that it was trained on.
    #[error("the test rows have {columns} features, the model has {features}")]
    Width {
        /// Of the rows.
        columns: usize,
        /// Of the model.
        features: usize,
    },
    /// A score is no number.
    #[error("the model cannot be judged by the scores it gives")]
    Scores(#[from] ScoresError),
}

/// Scores rows with a model, and judges the scores.
///
/// The columns of the table are taken in order; whoever has names for both compares them before.
pub fn judge(model: &Model, rows: &Table) -> Result<Judged, JudgeError> {
    if rows.features().len() != model.features() {
        return Err(JudgeError::Width { columns: rows.features().len(), features: model.features() });
    }
    let scores: Vec<f32> = (0..rows.len()).map(|row| model.score(&rows.row(row))).collect();
    judge_scores(model, rows.features(), rows.labels(), &scores, &|row| rows.row(row))
}

/// Judges the scores that a model gave to rows, wherever these are kept.
pub(crate) fn judge_scores(
    model: &Model,
    features: &[String],
    labels: &[bool],
    scores: &[f32],
    row: &dyn Fn(usize) -> Vec<f32>,
) -> Result<Judged, JudgeError> {
    let test_scores = Scores::new(labels, scores)?;
    Ok(Judged {
        test: Counts { rows: test_scores.len(), positives: test_scores.positives().len() },
        metrics: measure(&test_scores),
        test_scores,
        importance: importance(model, features),
        golden_rows: golden_rows(scores, row),
    })
}

fn importance(model: &Model, features: &[String]) -> Vec<Importance> {
    let named = features.iter().enumerate().map(|(column, feature)| Importance {
        feature: feature.clone(),
        gain: 0.0,
        cover: 0.0,
        splits: 0,
        weight: model.weights().get(column).copied(),
    });
    let mut importance: Vec<Importance> = named.collect();
    for node in model.trees().iter().flat_map(model::Tree::nodes) {
        if let Node::Split { feature, gain, cover, .. } = *node {
            let of = &mut importance[feature as usize];
            of.gain += f64::from(gain);
            of.cover += f64::from(cover);
            of.splits += 1;
        }
    }
    // Stable, so that features of equal gain stay in the order of the columns.
    importance.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    importance
}

/// Chooses the rows nearest to scores evenly apart, so that every part of the range is tried, from lowest to highest.
fn golden_rows(scores: &[f32], row: &dyn Fn(usize) -> Vec<f32>) -> Vec<GoldenRow> {
    let scores: Vec<f64> = scores.iter().copied().map(f64::from).collect();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let chosen = match order.as_slice() {
        few if few.len() <= GOLDEN_ROWS => few.to_vec(),
        [lowest, between @ .., highest] => {
            let (low, high) = (scores[*lowest], scores[*highest]);
            let mut chosen = vec![*lowest, *highest];
            let mut left = between.to_vec();
            for step in 1..GOLDEN_ROWS - 1 {
                let aim = low + (high - low) * step as f64 / (GOLDEN_ROWS - 1) as f64;
                let far = |row: usize| (scores[row] - aim).abs();
                let nearest = (0..left.len()).min_by(|a, b| far(left[*a]).total_cmp(&far(left[*b])));
                chosen.extend(nearest.map(|it| left.swap_remove(it)));
            }
            chosen.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(a.cmp(b)));
            chosen
        }
        [] | [_] => order,
    };
    let golden = chosen.into_iter().map(|index| GoldenRow {
        features: row(index).into_iter().map(|it| Some(it).filter(|it| !it.is_nan())).collect(),
        score: scores[index],
    });
    golden.collect()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "a golden row keeps the very score")]
mod tests {
    use model::Tree;

    use super::*;

    fn names() -> Vec<String> {
        ["V1", "V2", "V3"].map(str::to_owned).to_vec()
    }

    fn split(feature: u32, gain: f32, cover: f32) -> Tree {
        let leaf = |value| Node::Leaf { value, cover: cover / 2.0 };
        let split = Node::Split { feature, threshold: 0.5, default_left: true, left: 1, right: 2, gain, cover };
        Tree::new(vec![split, leaf(-1.0), leaf(1.0)]).unwrap()
    }

    #[test]
    fn importance_adds_up_the_splits_of_all_trees() {
        let trees = vec![split(1, 2.0, 10.0), split(2, 7.0, 5.0), split(1, 0.5, 3.0)];
        let model = Model::boosted(&names(), 0.0, trees).unwrap();
        let of = |it: &Importance| (it.feature.clone(), it.gain, it.cover, it.splits);
        let expected = [("V3", 7.0, 5.0, 1), ("V2", 2.5, 13.0, 2), ("V1", 0.0, 0.0, 0)];
        let expected = expected.map(|it| (it.0.to_owned(), it.1, it.2, it.3));
        assert_eq!(importance(&model, &names()).iter().map(of).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_linear_model_has_weights_and_no_gain() {
        let model = Model::linear(&names(), vec![0.5, -2.0, 0.0], 1.0).unwrap();
        insta::assert_snapshot!(serde_json::to_string(&importance(&model, &names())).unwrap(), @r#"[{"feature":"V1","gain":0.0,"cover":0.0,"splits":0,"weight":0.5},{"feature":"V2","gain":0.0,"cover":0.0,"splits":0,"weight":-2.0},{"feature":"V3","gain":0.0,"cover":0.0,"splits":0,"weight":0.0}]"#);
    }

    #[test]
    fn a_model_from_elsewhere_is_judged_by_rows() {
        let model = Model::boosted(&names(), 0.0, vec![split(0, 1.0, 1.0)]).unwrap();
        let mut rows = Table::new("Class", names());
        rows.push(&[1.0, 0.0, f32::NAN], true);
        rows.push(&[0.0, 0.0, 0.0], false);
        let judged = judge(&model, &rows).unwrap();
        assert_eq!(judged.test, Counts { rows: 2, positives: 1 });
        assert_eq!((judged.metrics.average_precision, judged.metrics.roc_auc), (1.0, 1.0));
        assert_eq!(judged.golden_rows[1].features, [Some(1.0), Some(0.0), None]);
        assert_eq!(judged.golden_rows[1].score, f64::from(judged.test_scores.positives()[0]));
    }

    #[test]
    fn rows_of_another_width_are_refused() {
        let model = Model::boosted(&names(), 0.0, vec![split(0, 1.0, 1.0)]).unwrap();
        let refusal = judge(&model, &Table::new("Class", names()[..2].to_vec())).unwrap_err();
        insta::assert_snapshot!(refusal, @"the test rows have 2 features, the model has 3");
    }

    #[test]
    fn golden_rows_go_from_the_lowest_score_to_the_highest() {
        let scores: Vec<f32> = (0..100_u8).map(|it| f32::from((u16::from(it) * 37 % 100) as u8) / 128.0).collect();
        let golden = golden_rows(&scores, &|row| vec![row as f32]);
        let chosen: Vec<f64> = golden.iter().map(|it| it.score * 128.0).collect();
        assert_eq!(chosen, [0.0, 14.0, 28.0, 42.0, 57.0, 71.0, 85.0, 99.0]);
        for row in golden {
            let of_that_row = (0..100).position(|it| Some(it as f32) == row.features[0]).unwrap();
            assert_eq!(row.score, f64::from(scores[of_that_row]));
        }
        assert_eq!(golden_rows(&scores[..3], &|row| vec![row as f32]).len(), 3);
    }
}
