//! The scores of the test rows, from which every metric, threshold and curve follows.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// Holds the scores that a model gave to test rows, by what the rows are.
///
/// Each list goes from the highest score to the lowest. No score is NaN, and a zero has no sign. In JSON each list is
/// base64 of little-endian f32.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", into = "Stored", try_from = "Stored")]
pub struct Scores {
    positives: Vec<f32>,
    negatives: Vec<f32>,
}

/// What calling positive every row from a score upwards does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// A score that some test row has.
    pub score: f32,
    /// Positives with at least that score.
    pub true_positives: u64,
    /// Negatives with at least that score.
    pub false_positives: u64,
}

/// Why there are no such scores.
#[derive(Debug, thiserror::Error)]
pub enum ScoresError {
    /// NaN compares with nothing, so no metric could be told.
    #[error("row {row} has the score NaN")]
    NotANumber {
        /// Counted from 0.
        row: usize,
    },
    /// Stored scores are in no order.
    #[error("the stored scores are not in descending order")]
    Unordered,
    /// Stored scores are no whole number of f32.
    #[error("the stored scores are {bytes} bytes, which is no whole number of f32")]
    Length {
        /// After base64.
        bytes: usize,
    },
    /// Stored scores are no base64.
    #[error("the stored scores are not base64")]
    Base64(#[from] base64::DecodeError),
}

/// The JSON form.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Stored {
    positives: String,
    negatives: String,
}

impl Scores {
    /// Sorts the scores of rows; `labels` is as long as `scores`.
    pub fn new(labels: &[bool], scores: &[f32]) -> Result<Self, ScoresError> {
        if let Some(row) = scores.iter().position(|it| it.is_nan()) {
            return Err(ScoresError::NotANumber { row });
        }
        let of = |class: bool| {
            let rows = labels.iter().zip(scores).filter(|(label, _)| **label == class);
            // To add zero takes the sign of a zero away: 0 and -0 are one score.
            let mut scores: Vec<f32> = rows.map(|(_, score)| score + 0.0).collect();
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
            scores
        };
        Ok(Self { positives: of(true), negatives: of(false) })
    }

    /// Returns the scores of rows with the label 1, highest first.
    pub fn positives(&self) -> &[f32] {
        &self.positives
    }

    /// Returns the scores of rows with the label 0, highest first.
    pub fn negatives(&self) -> &[f32] {
        &self.negatives
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.positives.len() + self.negatives.len()
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether every score lies between 0 and 1.
    pub fn are_probabilities(&self) -> bool {
        self.both().all(|it| (0.0..=1.0).contains(&it))
    }

    /// Returns every score that occurs, highest first, with what deciding there does.
    pub fn steps(&self) -> Vec<Step> {
        let (mut positives, mut negatives) = (self.positives.as_slice(), self.negatives.as_slice());
        let mut steps = Vec::new();
        let (mut true_positives, mut false_positives) = (0, 0);
        while let Some(score) = highest(positives, negatives) {
            true_positives += pass(&mut positives, score);
            false_positives += pass(&mut negatives, score);
            steps.push(Step { score, true_positives, false_positives });
        }
        steps
    }

    /// Counts the positives and the negatives whose score is at least the threshold, compared as f64.
    pub(crate) fn called_positive(&self, threshold: f64) -> (u64, u64) {
        let called = |scores: &[f32]| scores.partition_point(|it| f64::from(*it) >= threshold) as u64;
        (called(&self.positives), called(&self.negatives))
    }

    fn both(&self) -> impl Iterator<Item = f32> {
        self.positives.iter().chain(&self.negatives).copied()
    }
}

impl From<Scores> for Stored {
    fn from(scores: Scores) -> Self {
        let encode = |scores: &[f32]| {
            let bytes: Vec<u8> = scores.iter().flat_map(|it| it.to_le_bytes()).collect();
            BASE64_STANDARD.encode(bytes)
        };
        Self { positives: encode(&scores.positives), negatives: encode(&scores.negatives) }
    }
}

impl TryFrom<Stored> for Scores {
    type Error = ScoresError;

    fn try_from(stored: Stored) -> Result<Self, ScoresError> {
        Ok(Self { positives: decode(&stored.positives)?, negatives: decode(&stored.negatives)? })
    }
}

fn decode(text: &str) -> Result<Vec<f32>, ScoresError> {
    let bytes = BASE64_STANDARD.decode(text)?;
    let (whole, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(ScoresError::Length { bytes: bytes.len() });
    }
    let scores: Vec<f32> = whole.iter().map(|it| f32::from_le_bytes(*it)).collect();
    if let Some(row) = scores.iter().position(|it| it.is_nan()) {
        return Err(ScoresError::NotANumber { row });
    }
    if scores.is_sorted_by(|a, b| a >= b) { Ok(scores) } else { Err(ScoresError::Unordered) }
}

fn highest(positives: &[f32], negatives: &[f32]) -> Option<f32> {
    let first = [positives.first(), negatives.first()].into_iter().flatten().copied();
    first.reduce(f32::max)
}

/// Takes the scores from the front that are equal to this one, and counts them.
#[expect(clippy::float_cmp, reason = "rows tie when their scores are the same number")]
fn pass(scores: &mut &[f32], score: f32) -> u64 {
    let equal = scores.iter().take_while(|it| **it == score).count();
    *scores = &scores[equal..];
    equal as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_a_stable_form_that_can_be_read_again() {
        let scores = Scores::new(&[true, false, true], &[0.25, 0.5, 1.0]).unwrap();
        let text = serde_json::to_string(&scores).unwrap();
        insta::assert_snapshot!(text, @r#"{"positives":"AACAPwAAgD4=","negatives":"AAAAPw=="}"#);
        assert_eq!(serde_json::from_str::<Scores>(&text).unwrap(), scores);
    }

    #[test]
    fn every_bit_of_a_score_is_kept() {
        let written = [f32::INFINITY, 1.0, 0.1, f32::MIN_POSITIVE, 1e-45, 0.0, -3.5];
        let scores = Scores::new(&[true; 7], &written).unwrap();
        let read: Scores = serde_json::from_str(&serde_json::to_string(&scores).unwrap()).unwrap();
        assert_eq!(read.positives().iter().map(|it| it.to_bits()).collect::<Vec<_>>(), written.map(f32::to_bits));
    }

    #[test]
    fn stored_scores_that_are_none_are_refused() {
        let refusal = |positives: &str| {
            let text = serde_json::json!({ "positives": positives, "negatives": "" }).to_string();
            serde_json::from_str::<Scores>(&text).unwrap_err().to_string()
        };
        let cases = ["AACAPgAAgD8=", "AADAfw==", "AACA", "!"].map(refusal);
        insta::assert_snapshot!(cases.join("\n"), @"
        the stored scores are not in descending order
        row 0 has the score NaN
        the stored scores are 3 bytes, which is no whole number of f32
        the stored scores are not base64
        ");
    }

    #[test]
    fn rows_of_one_score_are_one_step() {
        let scores = Scores::new(&[true, false, true, false, true], &[0.5, 0.5, 0.9, 0.0, -0.0]).unwrap();
        let steps: Vec<_> = scores.steps().iter().map(|it| (it.score, it.true_positives, it.false_positives)).collect();
        assert_eq!(steps, [(0.9, 1, 0), (0.5, 2, 1), (0.0, 3, 2)]);
    }

    #[test]
    fn a_score_that_is_no_number_is_refused() {
        let refusal = Scores::new(&[true, false], &[0.5, f32::NAN]).unwrap_err();
        insta::assert_snapshot!(refusal, @"row 1 has the score NaN");
    }
}
