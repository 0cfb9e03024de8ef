//! What is measured: one module an item.

mod engines;
mod plan;
mod proxy;
mod quality;
mod scoring;
mod serve;
mod train;

use crate::error::{BenchError, Result};
use crate::report::{Report, Section, Verdict};
use crate::setup::Setup;
use crate::{machine, ours};

/// Something to measure.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// What it is called on the command line.
    pub name: &'static str,
    title: &'static str,
    /// What it says something about, and what was promised.
    budgets: &'static [(&'static str, &'static str)],
    run: fn(&Setup) -> Result<Section>,
}

/// All of them, in the order of the report.
pub const ALL: [Item; 7] =
    [train::ITEM, quality::ITEM, engines::ITEM, scoring::ITEM, serve::ITEM, proxy::ITEM, plan::ITEM];

impl Item {
    /// Measures it. What cannot be measured becomes a section that says why.
    pub fn section(&self, setup: &Setup) -> Section {
        setup.say(format!("== {}", self.name));
        let busy =
            machine::busy().map(|it| format!("Just before, other programs had {:.0} % of the processors.", it * 100.0));
        match (self.run)(setup) {
            Ok(mut section) => {
                self.title.clone_into(&mut section.title);
                section.method.extend(busy);
                section
            }
            Err(error) => {
                let why = error.line();
                setup.say(format!("not measured: {why}"));
                let verdicts = self.budgets.iter().map(|(what, budget)| Verdict::not_measured(what, budget, &why));
                Section {
                    title: self.title.to_owned(),
                    method: vec![format!("Not measured: {why}.")],
                    tables: vec![],
                    verdicts: verdicts.collect(),
                }
            }
        }
    }

    /// The name in the report, and the `n`-th budget of this item.
    fn budget(&self, n: usize) -> (&'static str, &'static str) {
        self.budgets[n]
    }
}

/// The items of these names; all when none is named.
pub fn chosen(names: &[String]) -> Result<Vec<Item>> {
    if names.is_empty() {
        return Ok(ALL.to_vec());
    }
    let find = |name: &String| {
        let known = || ALL.map(|it| it.name).join(", ");
        let found = ALL.into_iter().find(|it| it.name == name);
        found.ok_or_else(|| BenchError::new(format!("there is no item `{name}`, only {}", known())))
    };
    names.iter().map(find).collect()
}

/// A report without sections: machine and versions. `command` and `date` come from whoever started this.
pub fn report(setup: &Setup, command: &str, date: &str) -> Report {
    let or_why = |found: Result<String>| found.unwrap_or_else(|error| format!("not installed: {}", error.line()));
    let training = setup.training().and_then(|it| it.versions(&["xgboost", "numpy", "pandas", "pyarrow", "polars"]));
    let serving = setup.serving().and_then(|it| it.versions(&["xgboost", "gunicorn", "gevent", "Flask"]));
    let functions = setup.functions().and_then(|it| it.versions(&["boto3"]));
    let rustc = crate::peers::done_by(std::process::Command::new("rustc").arg("--version"));
    let mut facts = vec![("Date".to_owned(), date.to_owned()), ("Command".to_owned(), format!("`{command}`"))];
    facts.extend(machine::facts());
    let own = format!("{:?} build, {}, trainer `{}`", setup.settings.build, or_why(rustc), ours::VERSION);
    let versions = [
        ("Ours", own),
        ("Peer for training and scoring", or_why(training)),
        ("Peer for serving", or_why(serving)),
        ("Peer for the function", or_why(functions)),
        ("Peer for planning", or_why(setup.node().and_then(crate::peers::Node::versions))),
        (
            "How",
            "every command runs in a process of its own, alternating with its peer; figures are medians with the range \
             in parentheses; CPU time counts all descendants, peak memory is the resident size of the largest process"
                .to_owned(),
        ),
    ];
    facts.extend(versions.map(|(name, value)| (name.to_owned(), value)));
    if setup.settings.quick {
        facts.push(("Quick".to_owned(), "**small data and few repetitions: these figures say nothing**".to_owned()));
    }
    Report { facts, sections: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_item_is_refused_with_the_known_ones() {
        assert_eq!(chosen(&[]).unwrap().len(), ALL.len());
        assert_eq!(chosen(&["serve".to_owned()]).unwrap()[0].name, "serve");
        let refusal = chosen(&["sreve".to_owned()]).unwrap_err().to_string();
        insta::assert_snapshot!(refusal, @"there is no item `sreve`, only train, quality, engines, scoring, serve, proxy, plan");
    }
}
