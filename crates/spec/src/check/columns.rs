//! The columns of the model.

use std::collections::HashMap;

use super::Checker;
use super::words::quoted;
use crate::limits::MAX_FEATURES;

/// Names of columns, and which item of the list brought each.
pub(super) struct Features {
    pub(super) names: Vec<String>,
    origin: HashMap<String, String>,
}

impl Features {
    pub(super) fn has(&self, name: &str) -> bool {
        self.origin.contains_key(name)
    }
}

pub(super) fn features(checker: &mut Checker<'_>, raw: Option<Vec<String>>) -> Option<Features> {
    let path = "stages.train.features";
    let list = raw.unwrap_or_else(|| vec!["V1..V28".to_owned(), "Amount".to_owned()]);
    let mut features = Features { names: Vec::new(), origin: HashMap::new() };
    let before = checker.complaints.len();
    if list.is_empty() {
        checker.say(checker.places.complain(path, "`features` must name at least one column"));
    }
    for (index, item) in list.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let names = match expand(item) {
            Ok(names) => names,
            Err(Wrong { message, help }) => {
                checker.say(checker.places.complain(&path, message).help(help));
                continue;
            }
        };
        if features.names.len() + names.len() > MAX_FEATURES {
            checker.say(checker.places.complain(&path, format!("more than {MAX_FEATURES} features")));
            return None;
        }
        for name in names {
            if let Some(first) = features.origin.get(&name) {
                let complaint = checker.places.complain(&path, format!("feature `{name}` is named twice"));
                checker.say(complaint.label("again here").also(checker.places.find(first), "first here"));
                break;
            }
            features.origin.insert(name.clone(), path.clone());
            features.names.push(name);
        }
    }
    (checker.complaints.len() == before).then_some(features)
}

pub(super) fn check_label(checker: &mut Checker<'_>, label: &str, features: &Features) {
    let path = "stages.train.label";
    if !is_column(label) {
        let complaint = checker.places.complain(path, format!("{} is no name of a column", quoted(label)));
        checker.say(complaint.help(COLUMN_HELP));
    } else if let Some(item) = features.origin.get(label) {
        let message = format!("the label `{label}` is among the features");
        let complaint = checker.places.complain(item, message).label("the model would see the answer");
        checker.say(complaint.also(checker.places.find(path), "the label"));
    }
}

struct Wrong {
    message: String,
    help: String,
}

const COLUMN_HELP: &str = "a name has letters, digits and `_`, and does not begin with a digit";

/// The columns that one item of `features` stands for.
fn expand(item: &str) -> Result<Vec<String>, Wrong> {
    let wrong = |message: String, help: &str| Err(Wrong { message, help: help.to_owned() });
    let Some((from, to)) = item.split_once("..") else {
        if is_column(item) {
            return Ok(vec![item.to_owned()]);
        }
        return wrong(format!("{} is no name of a column", quoted(item)), COLUMN_HELP);
    };
    let example = "a range is two names that differ in the number they end in, such as `V1..V28`";
    let (Some((stem, first)), Some((other, last))) = (numbered(from), numbered(to)) else {
        return wrong(format!("{} is no range of columns", quoted(item)), example);
    };
    if stem != other {
        return wrong(format!("{} runs from one name to another", quoted(item)), example);
    }
    if first > last {
        return wrong(format!("{} runs backwards", quoted(item)), &format!("write `{to}..{from}`"));
    }
    if (last - first) as usize >= MAX_FEATURES {
        return wrong(format!("{} is more than {MAX_FEATURES} features", quoted(item)), example);
    }
    Ok((first..=last).map(|number| format!("{stem}{number}")).collect())
}

/// Splits `V28` into `V` and 28. A number with leading zeros is none: counting on would lose them.
fn numbered(name: &str) -> Option<(&str, u32)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    let plain = digits == "0" || !digits.starts_with('0');
    (is_column(stem) && plain).then(|| Some((stem, digits.parse().ok()?))).flatten()
}

fn is_column(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
