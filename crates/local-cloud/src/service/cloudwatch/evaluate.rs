//! What an alarm makes of what was measured. Pure.
//!
//! Source: Amazon CloudWatch User Guide, using alarms: evaluating an alarm, missing data. Periods end now instead of at
//! the full minute, so that a breach is seen at once.

use std::fmt::Write as _;

use super::alarm::{Alarm, State, Treat};
use super::metric::{Key, Metrics};

/// The state that an alarm should have, and why; none leaves it as it is.
pub(super) fn evaluate(alarm: &Alarm, metrics: &Metrics, now_ms: i64, second_ms: f64) -> Option<(State, String)> {
    let key =
        Key { namespace: alarm.namespace.clone(), name: alarm.metric.clone(), dimensions: alarm.dimensions.clone() };
    let period_ms = (alarm.period_s as f64 * second_ms).max(1.0) as i64;
    let periods = i64::try_from(alarm.evaluation_periods).unwrap_or(i64::MAX);
    let points: Vec<Option<f64>> = (0..periods)
        .map(|n| {
            let to = now_ms - n * period_ms;
            metrics.between(&key, alarm.unit.as_deref(), to - period_ms, to)?.statistic(&alarm.statistic)
        })
        .collect();
    let found: Vec<f64> = points.iter().copied().flatten().collect();
    let missing = points.len() - found.len();
    if found.is_empty() {
        return without_data(alarm, points.len());
    }
    let breaching = found.iter().filter(|value| alarm.comparison.holds(**value, alarm.threshold)).count();
    let counted = breaching + if alarm.missing == Treat::Breaching { missing } else { 0 };
    let wanted = usize::try_from(alarm.datapoints).unwrap_or(usize::MAX);
    // Where missing points say nothing, only as many as were found can be asked for.
    let wanted = if matches!(alarm.missing, Treat::Missing | Treat::Ignore) { wanted.min(found.len()) } else { wanted };
    let state = if counted >= wanted { State::Alarm } else { State::Ok };
    Some((state, reason(alarm, state, &found, now_ms)))
}

fn without_data(alarm: &Alarm, periods: usize) -> Option<(State, String)> {
    let plural = if periods == 1 { "" } else { "s" };
    let treated = |words: &str| {
        format!(
            "Threshold Crossed: no datapoints were received for {periods} period{plural} and {periods} missing \
             datapoint{plural} {} treated as [{words}].",
            if periods == 1 { "was" } else { "were" }
        )
    };
    match alarm.missing {
        Treat::NotBreaching => Some((State::Ok, treated("NonBreaching"))),
        Treat::Breaching => Some((State::Alarm, treated("Breaching"))),
        Treat::Ignore => None,
        Treat::Missing => {
            let words = if periods == 1 { "was" } else { "were" };
            Some((State::InsufficientData, format!("Insufficient Data: {periods} datapoint{plural} {words} unknown.")))
        }
    }
}

/// In CloudWatch's words.
fn reason(alarm: &Alarm, state: State, found: &[f64], now_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default().strftime("%d/%m/%y %H:%M:%S");
    let mut points = String::new();
    for (index, value) in found.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        _ = write!(points, "{comma}{value:?} ({time})");
    }
    let (plural, verb) = if found.len() == 1 { ("", "was") } else { ("s", "were") };
    let not = if state == State::Alarm { "" } else { "not " };
    format!(
        "Threshold Crossed: {} datapoint{plural} [{points}] {verb} {not}{} the threshold ({:?}).",
        found.len(),
        alarm.comparison.words(),
        alarm.threshold
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::alarm::Comparison;
    use super::super::metric::{NO_UNIT, Summary};
    use super::*;

    /// Two of the last three minutes with at least five errors each.
    fn alarm() -> Alarm {
        Alarm {
            namespace: "AWS/SageMaker".into(),
            metric: "Invocation5XXErrors".into(),
            statistic: "Sum".into(),
            period_s: 60,
            evaluation_periods: 3,
            datapoints: 2,
            threshold: 5.0,
            comparison: Comparison::AtLeast,
            missing: Treat::NotBreaching,
            ..Alarm::default()
        }
    }

    /// Metrics with so many errors in each minute, the latest first.
    fn errors(minutes: &[f64]) -> Metrics {
        let mut metrics = Metrics::new(Duration::from_secs(1));
        let key =
            Key { namespace: "AWS/SageMaker".into(), name: "Invocation5XXErrors".into(), dimensions: BTreeMap::new() };
        for (n, count) in minutes.iter().enumerate() {
            metrics.add(key.clone(), NO_UNIT, NOW - i64::try_from(n).unwrap() * 60_000 - 30_000, &Summary::of(*count));
        }
        metrics
    }

    const NOW: i64 = 1_644_859_509_000;

    fn state(alarm: &Alarm, minutes: &[f64]) -> Option<State> {
        evaluate(alarm, &errors(minutes), NOW, 1000.0).map(|(state, _)| state)
    }

    #[test]
    fn as_many_points_as_are_asked_for_must_breach() {
        assert_eq!(state(&alarm(), &[5.0, 0.0, 5.0]), Some(State::Alarm));
        assert_eq!(state(&alarm(), &[5.0, 4.0, 4.0]), Some(State::Ok));
        assert_eq!(state(&alarm(), &[9.0]), Some(State::Ok), "two missing points count as good");
        assert_eq!(state(&Alarm { datapoints: 1, evaluation_periods: 1, ..alarm() }, &[5.0]), Some(State::Alarm));
    }

    #[test]
    fn what_is_older_than_the_periods_is_not_looked_at() {
        assert_eq!(state(&Alarm { datapoints: 1, ..alarm() }, &[0.0, 0.0, 0.0, 9.0]), Some(State::Ok));
        // A second of the cloud's that lasts a tenth: three minutes are over after 18 s.
        let fast = evaluate(&Alarm { datapoints: 1, ..alarm() }, &errors(&[9.0]), NOW, 100.0);
        assert_eq!(fast.unwrap().0, State::Ok);
    }

    #[test]
    fn missing_points_are_treated_as_the_alarm_says() {
        let with = |missing| Alarm { missing, ..alarm() };
        assert_eq!(state(&with(Treat::NotBreaching), &[]), Some(State::Ok));
        assert_eq!(state(&with(Treat::Breaching), &[]), Some(State::Alarm));
        assert_eq!(state(&with(Treat::Missing), &[]), Some(State::InsufficientData));
        assert_eq!(state(&with(Treat::Ignore), &[]), None);
        assert_eq!(state(&with(Treat::Missing), &[9.0]), Some(State::Alarm), "all that was found breaches");
        assert_eq!(state(&with(Treat::Breaching), &[0.0]), Some(State::Alarm), "two missing points count as bad");
    }

    #[test]
    fn reasons_read_as_cloudwatch_writes_them() {
        let told = |minutes: &[f64]| evaluate(&alarm(), &errors(minutes), NOW, 1000.0).unwrap().1;
        insta::assert_snapshot!(told(&[5.0, 7.0]), @"Threshold Crossed: 2 datapoints [5.0 (14/02/22 17:25:09), 7.0 (14/02/22 17:25:09)] were greater than or equal to the threshold (5.0).");
        insta::assert_snapshot!(told(&[0.0]), @"Threshold Crossed: 1 datapoint [0.0 (14/02/22 17:25:09)] was not greater than or equal to the threshold (5.0).");
        insta::assert_snapshot!(told(&[]), @"Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [NonBreaching].");
    }
}
