//! Statistics of repeated measurements, and the two measures that models are compared by.

/// Repeated measurements of one quantity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Adds a measurement.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one, or the mean of the two in the middle; NaN of nothing.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    /// The least that at least this share of the measurements do not exceed; NaN of nothing.
    pub fn quantile(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (share * sorted.len() as f64).ceil().max(1.0);
        #[expect(clippy::cast_sign_loss, reason = "a rank is at least 1")]
        sorted.get(rank as usize - 1).copied().unwrap_or(f64::NAN)
    }

    /// The smallest.
    pub fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The largest.
    pub fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// The mean; NaN of nothing.
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The standard deviation of the population that was sampled (n - 1); NaN of fewer than two.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.0.iter().map(|value| (value - mean).powi(2)).sum();
        if self.0.len() < 2 { f64::NAN } else { (squares / (self.0.len() - 1) as f64).sqrt() }
    }

    /// The measurements, in order.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Average precision: the precision at each score that is a positive row's, weighted by the recall gained there.
///
/// Rows of one score are taken together, as scikit-learn does. NaN without positives.
pub fn average_precision(labels: &[bool], scores: &[f32]) -> f64 {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let positives = labels.iter().filter(|it| **it).count() as f64;
    let (mut seen, mut found, mut sum) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|a, b| scores[*a].total_cmp(&scores[*b]).is_eq()) {
        let gained = tied.iter().filter(|it| labels[**it]).count() as f64;
        seen += tied.len() as f64;
        found += gained;
        sum += gained * found / seen;
    }
    sum / positives
}

/// The mean negative logarithm of the probability given to what came true.
///
/// Probabilities are kept 1e-7 away from 0 and 1, the step of f32 there, so that one sure mistake is not infinite.
pub fn log_loss(labels: &[bool], scores: &[f32]) -> f64 {
    const LEAST: f64 = 1e-7;
    let losses = labels.iter().zip(scores).map(|(label, score)| {
        let score = f64::from(*score).clamp(LEAST, 1.0 - LEAST);
        -(if *label { score } else { 1.0 - score }).ln()
    });
    losses.sum::<f64>() / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        values.iter().copied().collect()
    }

    fn near(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() < 1e-6
    }

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert!(near(sample(&[9.0, 1.0, 2.0]).median(), 2.0));
        assert!(near(sample(&[9.0, 1.0, 2.0, 4.0]).median(), 3.0));
        assert!(sample(&[]).median().is_nan() && sample(&[]).quantile(0.5).is_nan() && sample(&[]).least().is_nan());
    }

    #[test]
    fn a_quantile_is_a_measurement_by_nearest_rank() {
        let hundred: Sample = (1..=100).map(f64::from).collect();
        assert!(near(hundred.quantile(0.99), 99.0) && near(hundred.quantile(0.5), 50.0));
        assert!(near(hundred.quantile(1.0), 100.0) && near(hundred.quantile(0.0), 1.0));
        assert!(near(sample(&[7.0]).quantile(0.99), 7.0));
    }

    #[test]
    fn the_deviation_divides_by_one_less_than_the_count() {
        assert!(near(sample(&[1.0, 2.0, 3.0, 4.0]).deviation(), 1.290_994_4));
        assert!(sample(&[1.0]).deviation().is_nan());
    }

    /// scikit-learn 1.9.1: `average_precision_score([1,0,1,1,0,0], [.9,.8,.7,.7,.7,.1])`, and without ties.
    #[test]
    fn average_precision_is_what_scikit_learn_says() {
        let labels = [true, false, true, true, false, false];
        assert!(near(average_precision(&labels, &[0.9, 0.8, 0.7, 0.7, 0.7, 0.1]), 0.733_333_33));
        assert!(near(average_precision(&labels, &[0.9, 0.8, 0.7, 0.6, 0.5, 0.1]), 0.805_555_56));
        assert!(average_precision(&[false], &[0.5]).is_nan());
    }

    #[test]
    fn log_loss_is_finite_for_a_sure_mistake() {
        assert!(near(log_loss(&[true, false], &[0.5, 0.5]), std::f64::consts::LN_2));
        assert!(near(log_loss(&[true], &[0.0]), 16.118_095_65));
    }
}
