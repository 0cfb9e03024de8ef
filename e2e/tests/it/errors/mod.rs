//! What AWS refuses, in the situation in which it refuses it: every row of `aws-errors.tsv`.
//!
//! A row says in which situation which answer comes, what that means for a stage, and how the local cloud is brought to
//! give it: `local`, because the situation is made here; `fault`, because only AWS gets into it and a fault rule gives
//! the answer; `unused: …`, because no stage can meet it, with the reason.

mod apigateway;
mod autoscaling;
mod bench;
mod ecr;
mod iam;
mod image;
mod lambda;
mod logs;
mod runtime;
mod s3;
mod sagemaker;
mod stages;

use std::collections::BTreeSet;

use bench::{Bench, Said};

/// The table. Its first eight columns are those of the reference of AWS's behaviour.
const TABLE: &str = include_str!("../../../aws-errors.tsv");

/// One situation, and the answer in it.
#[derive(Clone, Copy, Debug)]
struct Row {
    service: &'static str,
    operation: &'static str,
    situation: &'static str,
    status: &'static str,
    code: &'static str,
    message: &'static str,
    /// `no`, `yes`, or `propagation`: only while something is young.
    retry: &'static str,
    meaning: &'static str,
    how: &'static str,
}

/// Operation, situation, and what is asked of the local cloud in it.
type Case = (&'static str, &'static str, fn(&Bench) -> Said);

/// All rows.
fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().skip(1).map(|line| {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [service, operation, situation, status, code, message, retry, _source, meaning, how] = columns[..] else {
            panic!("a row has ten columns: {line}");
        };
        Row { service, operation, situation, status, code, message, retry, meaning, how }
    })
}

/// Asks in every situation of a service that can be made here, and compares with the table.
fn each_is_answered_as_on_aws(service: &str, bench: &Bench, cases: &[Case]) {
    let rows: Vec<Row> = rows().filter(|row| row.service == service && row.how == "local").collect();
    let mut wrong = vec![];
    for row in &rows {
        let Row { operation, situation, .. } = row;
        match cases.iter().find(|case| (case.0, case.1) == (*operation, *situation)) {
            Some((_, _, ask)) => wrong.extend(row.differs_from(&ask(bench))),
            None => wrong.push(format!("{operation}, {situation}: nobody asks")),
        }
    }
    for (operation, situation, _) in cases {
        if !rows.iter().any(|row| (row.operation, row.situation) == (operation, situation)) {
            wrong.push(format!("{operation}, {situation}: no such row"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Row {
    /// How an answer is not the row's.
    fn differs_from(&self, said: &Said) -> Option<String> {
        let codes = [self.code, "-"];
        let same = said.status.to_string() == self.status
            && (codes.contains(&&*said.code) || said.code.is_empty())
            && fits(self.message, &said.message);
        let Row { operation, situation, status, code, message, .. } = self;
        (!same).then(|| format!("{operation}, {situation}:\n  AWS  {status} {code}: {message}\n  here {said}"))
    }
}

/// Whether a message is made by a template with names in braces. In parentheses stands what is not known word by word.
fn fits(template: &str, message: &str) -> bool {
    if template.starts_with('(') {
        return true;
    }
    if template.ends_with("(empty body)") {
        return message.is_empty();
    }
    let template = template.replace("4xx", "{status}");
    let mut parts = template.split('{');
    let Some(mut rest) = message.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut open = false;
    for part in parts {
        let literal = part.split_once('}').map_or(part, |(_, literal)| literal);
        open = literal.is_empty();
        match rest.find(literal) {
            Some(at) if literal.is_empty() => rest = &rest[at..],
            Some(at) => rest = &rest[at + literal.len()..],
            None => return false,
        }
    }
    open || rest.is_empty()
}

#[test]
fn templates_fit_what_they_make_and_nothing_else() {
    assert!(fits("Could not find model \"{arn}\".", "Could not find model \"arn:m\"."));
    assert!(!fits("Could not find model \"{arn}\".", "Could not find endpoint \"arn:m\"."));
    assert!(!fits("Could not find model \"{arn}\".", "Could not find model \"arn:m\". Really."));
    assert!(fits("Function already exist: {name}", "Function already exist: fraud-proxy"));
    assert!(!fits("Not Found", "Not Found, really"));
    assert!(fits("(free text)", "whatever"));
}

#[test]
fn every_row_is_asked_for_or_says_why_not() {
    let mut rows_seen = BTreeSet::new();
    for row in rows() {
        let reason = row.how.strip_prefix("unused: ");
        assert!(matches!(row.how, "local" | "fault") || reason.is_some_and(|reason| reason.len() > 10), "{row:?}");
        assert!(rows_seen.insert((row.service, row.operation, row.situation)), "twice: {row:?}");
    }
    assert!(rows_seen.len() >= 190, "{} rows", rows_seen.len());
}
