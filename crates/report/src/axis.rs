//! Axes: where they begin and end, where they have ticks, and what stands there.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::words;

/// About as many ticks as fit on a phone without touching.
const TICKS: f64 = 5.0;

/// The most decades that have a tick each.
const DECADES: i32 = 5;

/// Tells how numbers stand along a line.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: String,
    /// First and last position, after [`Axis::place`].
    pub(crate) range: (f64, f64),
    /// Positions and what stands there.
    pub(crate) ticks: Vec<(f64, String)>,
    log: bool,
}

impl Axis {
    /// From 0 to 1.
    pub(crate) fn unit(name: impl Into<String>) -> Self {
        Self::linear(name, 0.0, 1.0)
    }

    /// From one number to another; a little more where they are equal.
    pub(crate) fn linear(name: impl Into<String>, low: f64, high: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        let step = nice((high - low) / TICKS);
        let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
        let digits = (-step.log10().floor()).clamp(0.0, 9.0) as i64;
        let digits = digits.unsigned_abs() as usize;
        let label = |value: f64| {
            let sign = if value < 0.0 { "-" } else { "" };
            if digits > 0 {
                format!("{value:.digits$}")
            } else {
                format!("{sign}{}", words::count((value.round() as i64).unsigned_abs()))
            }
        };
        let ticks = (first..=last).map(|it| it as f64 * step).map(|it| (it, label(it + 0.0))).collect();
        Self { name: name.into(), range: (low, high), ticks, log: false }
    }

    /// Whole decades that hold both numbers, which are above 0.
    pub(crate) fn log(name: impl Into<String>, low: f64, high: f64) -> Self {
        let (first, mut last) = ((low.log10() + 1e-9).floor() as i32, (high.log10() - 1e-9).ceil() as i32);
        last = last.max(first + 1);
        let stride = ((last - first) / DECADES).max(1);
        let decades = (first..=last).filter(|it| (it - first) % stride == 0);
        let ticks = decades.map(|it| (f64::from(it), decade(it))).collect();
        Self { name: name.into(), range: (f64::from(first), f64::from(last)), ticks, log: true }
    }

    /// The same axis with room below its lowest number, which has its tick.
    pub(crate) fn room_below(mut self, room: f64) -> Self {
        self.range.0 -= room;
        self
    }

    /// The position of a number; what lies outside is moved to the edge.
    pub(crate) fn place(&self, number: f64) -> f64 {
        let place = if self.log { number.max(f64::MIN_POSITIVE).log10() } else { number };
        place.clamp(self.range.0, self.range.1)
    }
}

/// Positions to pixels: numbers went through [`Axis::place`] before.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, pixels: (i32, i32)) -> i32 {
        let share = (place - self.range.0) / (self.range.1 - self.range.0);
        pixels.0 + (f64::from(pixels.1 - pixels.0) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.iter().map(|it| it.0).collect() }
    }

    fn range(&self) -> Range<f64> {
        self.range.0..self.range.1
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        let nearest = self.ticks.iter().min_by(|a, b| (a.0 - place).abs().total_cmp(&(b.0 - place).abs()));
        nearest.map(|it| it.1.clone()).unwrap_or_default()
    }
}

/// The nearest of 1, 2, 5 times a power of ten that is not below.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|it| it * power >= step * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * power
}

fn decade(exponent: i32) -> String {
    match exponent {
        0..=6 => words::count(10_u64.pow(exponent.unsigned_abs())),
        -3..0 => format!("{:.*}", exponent.unsigned_abs() as usize, 10_f64.powi(exponent)),
        _ => format!("1e{exponent}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: &Axis) -> String {
        let ticks: Vec<&str> = axis.ticks.iter().map(|it| it.1.as_str()).collect();
        ticks.join(" ")
    }

    #[test]
    fn ticks_are_round_numbers() {
        let axes = [
            Axis::unit("score"),
            Axis::linear("", 0.0, 100.0),
            Axis::linear("", 1.0, 2_500.0),
            Axis::linear("", -0.03, 0.11),
            Axis::linear("", 3.0, 3.0),
            Axis::log("", 1.0, 56_864.0),
            Axis::log("", 3e-7, 1.0),
            Axis::log("", 1e-12, 1e-12),
        ];
        insta::assert_snapshot!(axes.iter().map(ticks).collect::<Vec<_>>().join("\n"), @"
        0.0 0.2 0.4 0.6 0.8 1.0
        0 20 40 60 80 100
        500 1,000 1,500 2,000 2,500
        0.00 0.05 0.10
        2.6 2.8 3.0 3.2 3.4
        1 10 100 1,000 10,000 100,000
        1e-7 1e-6 1e-5 1e-4 0.001 0.01 0.1 1
        1e-12 1e-11
        ");
    }

    #[test]
    fn what_lies_outside_is_moved_to_the_edge() {
        let axis = Axis::log("", 0.01, 10.0);
        let places = [0.0, 0.1, 1e9].map(|it| format!("{:.3}", axis.place(it)));
        assert_eq!(places, ["-2.000", "-1.000", "1.000"]);
    }
}
