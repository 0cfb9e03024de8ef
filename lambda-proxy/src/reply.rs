//! The endpoint's answer: one score, and what each feature contributed to it if that was asked for.

use crate::config::Config;

/// A score, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) score: f64,
    /// What each feature contributes, in the order of the features; none if the container gave the score alone.
    contributions: Option<Vec<f64>>,
}

impl Reply {
    /// Reads an answer, or says what is wrong with it.
    ///
    /// A score alone is one finite number, whatever the separator: the multi-model handler joins scores with commas, the
    /// others end each with a line break. One with contributions is a line of the score, as many numbers as there are
    /// features, and the bias.
    pub(crate) fn read(reply: &[u8], config: &Config) -> Result<Self, String> {
        let text = std::str::from_utf8(reply).map_err(|_| "the answer is not text".to_owned())?;
        let values: Vec<&str> = text.split([',', '\n']).map(str::trim).filter(|value| !value.is_empty()).collect();
        match values.as_slice() {
            [score] => Ok(Self { score: finite(score)?, contributions: None }),
            [score, contributions @ .., bias] if config.reasons > 0 && is_one_line(text) => {
                let (found, expected) = (contributions.len(), config.features.len());
                if found != expected {
                    return Err(format!("the answer holds contributions of {found} features instead of {expected}"));
                }
                finite(bias)?;
                let contributions = contributions.iter().map(|value| finite(value)).collect::<Result<_, _>>()?;
                Ok(Self { score: finite(score)?, contributions: Some(contributions) })
            }
            values => Err(format!("the answer holds {} values", values.len())),
        }
    }

    /// Returns up to `count` features with what they contribute, the strongest first, if the container said it.
    ///
    /// Of two as strong the first in the order of the features comes first; one that contributes nothing is left out.
    pub(crate) fn strongest(&self, count: usize) -> Option<Vec<(usize, f64)>> {
        let contributions = self.contributions.as_ref()?;
        let mut order: Vec<_> = contributions.iter().copied().enumerate().filter(|(_, it)| *it != 0.0).collect();
        order.sort_by(|(_, one), (_, other)| other.abs().total_cmp(&one.abs()));
        order.truncate(count);
        Some(order)
    }
}

fn is_one_line(text: &str) -> bool {
    !text.trim().contains('\n')
}

fn finite(value: &str) -> Result<f64, String> {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("the answer is not a finite number".to_owned()),
    }
}
