//! BENCHMARKS.md: what was measured, as tables, with a verdict per budget.

use std::fmt::Write as _;

use crate::stats::Sample;

/// Everything that BENCHMARKS.md says.
#[derive(Clone, Debug)]
pub struct Report {
    /// Lines about the machine, the versions and the run: name and value.
    pub facts: Vec<(String, String)>,
    /// One per item, in order.
    pub sections: Vec<Section>,
}

/// One item.
#[derive(Clone, Debug)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// How it was measured: sentences.
    pub method: Vec<String>,
    /// What was measured.
    pub tables: Vec<Table>,
    /// What that means for the budgets.
    pub verdicts: Vec<Verdict>,
}

/// Rows under a header.
#[derive(Clone, Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A budget and whether it is kept.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What is measured.
    pub what: String,
    /// Our figure.
    pub ours: String,
    /// The peer's.
    pub peer: String,
    /// One by the other.
    pub ratio: String,
    /// What was promised.
    pub budget: String,
    /// Whether that holds.
    pub state: State,
}

/// Whether a budget is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// Nobody knows, and why.
    NotMeasured(String),
}

impl Table {
    /// Makes a table of no rows.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.header.len(), "a row is as wide as its table");
        self.rows.push(cells.into());
    }

    fn markdown(&self) -> String {
        let line =
            |cells: &[String]| format!("| {} |\n", cells.iter().map(|it| cell(it)).collect::<Vec<_>>().join(" | "));
        let rule = format!("|{}\n", "---|".repeat(self.header.len()));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{rule}{rows}", line(&self.header))
    }
}

/// A bar or a line break would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

impl Verdict {
    /// Judges a quantity of which less is better: ours may be at most `limit` times the peer's.
    pub fn at_most(what: &str, ours: f64, peer: f64, limit: f64, unit: fn(f64) -> String, budget: &str) -> Self {
        Self::judged(what, unit(ours), unit(peer), ours / peer, budget, ours <= limit * peer)
    }

    /// Judges a quantity of which more is better: ours must be at least `limit` times the peer's.
    pub fn at_least(what: &str, ours: f64, peer: f64, limit: f64, unit: fn(f64) -> String, budget: &str) -> Self {
        Self::judged(what, unit(ours), unit(peer), ours / peer, budget, ours >= limit * peer)
    }

    /// Says that nothing is known about a budget.
    pub fn not_measured(what: &str, budget: &str, why: impl Into<String>) -> Self {
        let none = || "–".to_owned();
        let (what, budget) = (what.to_owned(), budget.to_owned());
        Self { what, ours: none(), peer: none(), ratio: none(), budget, state: State::NotMeasured(why.into()) }
    }

    fn judged(what: &str, ours: String, peer: String, ratio: f64, budget: &str, met: bool) -> Self {
        if !ratio.is_finite() {
            return Self::not_measured(what, budget, "one side has no figure");
        }
        let state = if met { State::Met } else { State::Missed };
        Self { what: what.to_owned(), ours, peer, ratio: times(ratio), budget: budget.to_owned(), state }
    }
}

impl Report {
    /// The whole file.
    pub fn markdown(&self) -> String {
        let mut text = String::from("# Benchmarks\n\n");
        text.push_str("Written by the harness in `e2e/benches`; do not edit. What is missed is said as plainly as what is met.\n\n");
        for (name, value) in &self.facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        let verdicts: Vec<&Verdict> = self.sections.iter().flat_map(|it| &it.verdicts).collect();
        if !verdicts.is_empty() {
            let _ = write!(text, "\n## Budgets\n\n{}", verdict_table(&verdicts));
        }
        for section in &self.sections {
            let _ = write!(text, "\n## {}\n", section.title);
            for sentence in &section.method {
                let _ = write!(text, "\n- {sentence}");
            }
            text.push('\n');
            for table in &section.tables {
                let _ = write!(text, "\n{}", table.markdown());
            }
        }
        text
    }
}

impl Report {
    /// How many budgets nothing is known about.
    pub fn not_measured(&self) -> usize {
        let verdicts = self.sections.iter().flat_map(|it| &it.verdicts);
        verdicts.filter(|it| matches!(it.state, State::NotMeasured(_))).count()
    }
}

fn verdict_table(verdicts: &[&Verdict]) -> String {
    let mut table = Table::new(["What", "Ours", "Peer", "Ours / peer", "Budget", "Verdict"]);
    for it in verdicts {
        let state = match &it.state {
            State::Met => "met".to_owned(),
            State::Missed => "**missed**".to_owned(),
            State::NotMeasured(why) => format!("not measured: {why}"),
        };
        table.row([it.what.clone(), it.ours.clone(), it.peer.clone(), it.ratio.clone(), it.budget.clone(), state]);
    }
    table.markdown()
}

/// A ratio with as many digits as mean something.
pub fn times(ratio: f64) -> String {
    match ratio {
        it if !it.is_finite() => "–".to_owned(),
        it if it >= 100.0 => format!("{it:.0} ×"),
        it if it >= 10.0 => format!("{it:.1} ×"),
        it if it >= 0.1 => format!("{it:.2} ×"),
        it => format!("1/{:.0}", 1.0 / it),
    }
}

/// Seconds, in the unit that suits them.
pub fn seconds(value: f64) -> String {
    match value {
        it if !it.is_finite() => "–".to_owned(),
        it if it >= 1.0 => format!("{it:.2} s"),
        it if it >= 1e-3 => format!("{:.2} ms", it * 1e3),
        it if it >= 1e-6 => format!("{:.1} µs", it * 1e6),
        it => format!("{:.0} ns", it * 1e9),
    }
}

/// Bytes as MB of a million.
pub fn megabytes(value: f64) -> String {
    format!("{:.1} MB", value / 1e6)
}

/// Requests per second.
pub fn per_second(value: f64) -> String {
    format!("{value:.0} /s")
}

/// The median, and the range in parentheses.
pub fn spread(sample: &Sample, unit: fn(f64) -> String) -> String {
    match sample.values() {
        [only] => unit(*only),
        _ => format!("{} ({} – {})", unit(sample.median()), unit(sample.least()), unit(sample.most())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_is_missed_and_what_is_not_known() {
        let mut table = Table::new(["Data", "Ours"]);
        table.row(["a|b".to_owned(), spread(&[0.5, 2.0, 1.0].into_iter().collect(), seconds)]);
        let verdicts = vec![
            Verdict::at_most("training time", 1.5, 3.0, 1.0, seconds, "no slower"),
            Verdict::at_least("requests", 1900.0, 100.0, 20.0, per_second, "20 ×"),
            Verdict::not_measured("plan", "1/100", "no\nnode"),
        ];
        let section =
            Section { title: "Train".into(), method: vec!["Side by side.".into()], tables: vec![table], verdicts };
        let report = Report { facts: vec![("Cores".into(), "2".into())], sections: vec![section] };
        insta::assert_snapshot!(report.markdown(), @r"
        # Benchmarks

        Written by the harness in `e2e/benches`; do not edit. What is missed is said as plainly as what is met.

        - Cores: 2

        ## Budgets

        | What | Ours | Peer | Ours / peer | Budget | Verdict |
        |---|---|---|---|---|---|
        | training time | 1.50 s | 3.00 s | 0.50 × | no slower | met |
        | requests | 1900 /s | 100 /s | 19.0 × | 20 × | **missed** |
        | plan | – | – | – | 1/100 | not measured: no node |

        ## Train

        - Side by side.

        | Data | Ours |
        |---|---|
        | a\|b | 1.00 s (500.00 ms – 2.00 s) |
        ");
    }

    #[test]
    fn a_budget_that_is_just_reached_is_met() {
        let met = |verdict: Verdict| verdict.state == State::Met;
        assert!(met(Verdict::at_most("", 1.0, 100.0, 0.01, seconds, "")));
        assert!(!met(Verdict::at_most("", 1.01, 100.0, 0.01, seconds, "")));
        assert!(met(Verdict::at_least("", 20.0, 1.0, 20.0, seconds, "")));
        assert!(!met(Verdict::at_least("", 19.9, 1.0, 20.0, seconds, "")));
    }

    #[test]
    fn a_side_without_a_figure_keeps_no_budget_and_misses_none() {
        for (ours, peer) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
            let verdicts = [
                Verdict::at_most("", ours, peer, 1.0, seconds, ""),
                Verdict::at_least("", ours, peer, 1.0, seconds, ""),
            ];
            assert!(verdicts.iter().all(|it| matches!(it.state, State::NotMeasured(_))));
        }
    }

    #[test]
    fn figures_have_the_digits_that_mean_something() {
        let ratios = [0.004, 0.25, 1.0, 12.34, 250.4, f64::NAN].map(times);
        insta::assert_snapshot!(ratios.join(", "), @"1/250, 0.25 ×, 1.00 ×, 12.3 ×, 250 ×, –");
        let times = [12.345, 0.012_345, 12.3e-6, 42e-9, f64::NAN].map(seconds);
        insta::assert_snapshot!(times.join(", "), @"12.35 s, 12.35 ms, 12.3 µs, 42 ns, –");
    }
}
