//! A plan as lines of text: sign, stage, kind, name, and below it what differs.

use std::fmt::Write;

use serde_json::Value as Json;

use crate::diff::{FieldChange, To};
use crate::planning::{Action, Change, Plan};

/// The sign of an action, one character wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign(pub Action);

impl Sign {
    /// `=` keep, `+` create, `~` update, `±` replace, `-` delete, `?` check, `!` blocked.
    pub fn as_str(self) -> &'static str {
        match self.0 {
            Action::Keep => "=",
            Action::Create => "+",
            Action::Update => "~",
            Action::Replace => "±",
            Action::Delete => "-",
            Action::Check => "?",
            Action::Blocked => "!",
        }
    }
}

/// The plan as text. `paint` is given the lines of each change with its action, then the rest without one, and returns
/// them, coloured or not.
pub fn text(plan: &Plan, paint: &dyn Fn(Option<Action>, String) -> String) -> String {
    let mut text = String::new();
    let widths = Widths::of(plan);
    for change in &plan.changes {
        text.push_str(&paint(Some(change.action), lines(change, &widths)));
    }
    let mut rest = String::new();
    for warning in &plan.warnings {
        _ = writeln!(rest, "warning: {}: {}", warning.id.stage(), warning.text);
    }
    rest.push_str(&summary(plan));
    rest.push('\n');
    text.push_str(&paint(None, rest));
    text
}

struct Widths {
    stage: usize,
    kind: usize,
}

impl Widths {
    fn of(plan: &Plan) -> Self {
        let longest = |width: fn(&Change) -> usize| plan.changes.iter().map(width).max().unwrap_or(0);
        Self { stage: longest(|change| change.id.stage().len()), kind: longest(|change| change.kind.len()) }
    }
}

fn lines(change: &Change, widths: &Widths) -> String {
    let mut text = String::new();
    let sign = Sign(change.action).as_str();
    let (stage, kind) = (change.id.stage(), &change.kind);
    _ = writeln!(
        text,
        "{sign} {stage:<stage_width$}  {kind:<kind_width$}  {}",
        change.name,
        stage_width = widths.stage,
        kind_width = widths.kind
    );
    if let Some(why) = &change.why {
        _ = writeln!(text, "    because: {why}");
    }
    let width = change.fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
    for field in &change.fields {
        _ = writeln!(text, "    {:<width$}  {}", field.name, difference(field, change.action));
    }
    text
}

fn difference(field: &FieldChange, action: Action) -> String {
    let to = match &field.to {
        To::Known(value) => words(value),
        To::After(output) => format!("(after {output})"),
        To::Gone => "(removed)".to_owned(),
    };
    match &field.from {
        // Nothing differs: it says how the others are changed.
        Some(from) if matches!(&field.to, To::Known(value) if value == from) => to,
        Some(from) => format!("{} -> {to}", words(from)),
        None if matches!(action, Action::Update) => format!("(unset) -> {to}"),
        None => to,
    }
}

fn words(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => "(none)".to_owned(),
        Json::Array(items) if items.is_empty() => "(none)".to_owned(),
        Json::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn summary(plan: &Plan) -> String {
    let count = |action| plan.changes.iter().filter(|change| change.action == action).count();
    let parts: Vec<String> = [
        (Action::Keep, "to keep"),
        (Action::Create, "to create"),
        (Action::Update, "to update"),
        (Action::Replace, "to replace"),
        (Action::Delete, "to delete"),
        (Action::Check, "to check"),
        (Action::Blocked, "blocked"),
    ]
    .into_iter()
    .filter_map(|(action, words)| match count(action) {
        0 => None,
        n => Some(format!("{n} {words}")),
    })
    .collect();
    if parts.is_empty() { "Nothing of ours is here.".to_owned() } else { format!("{}.", parts.join(", ")) }
}
