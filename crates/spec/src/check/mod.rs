//! From the text of a pipeline file to a [`Spec`], by way of everything that can be wrong with it.
//!
//! Keys first, then the types of values, then their meaning. Each part of the file is judged by itself, so that one
//! look at the complaints is enough to mend all of them; but a part with a wrong key or type is not judged further,
//! since the rest would be guesswork.

mod algorithm;
mod api;
mod aws;
mod columns;
mod data;
mod endpoint;
mod head;
mod network;
mod proxy;
mod role;
mod rollout;
mod serve;
mod shape;
mod train;
mod words;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use crate::complaint::{Complaint, Complaints};
use crate::places::{Entry, Item, Node, Places};
use crate::types::Spec;
use words::{WrongType, leaf};

pub(crate) fn parse(source: &str, path: &Path) -> Result<Spec, Complaints> {
    // The mark says nothing that UTF-8 does not, and one of the YAML readers takes it for a document.
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let (places, duplicates) = Places::scan(source, path)?;
    if !duplicates.is_empty() {
        return Err(Complaints::new(duplicates));
    }
    let file = serde_yaml::from_str(source).map_err(|error| not_yaml(&places, &error))?;
    let file = with_text_keys(file, places.root());

    let mut checker = Checker { places: &places, complaints: Vec::new() };
    let blocks = shape::check(&mut checker, &file);
    let name = head::name(&mut checker, &file);
    let targets = head::targets(&mut checker, &blocks);
    let train = train::train(&mut checker, blocks.stage("train"));
    let package = serve::package(&mut checker, blocks.stage("package"));
    let upload = serve::upload(&mut checker, blocks.stage("upload"), name.as_ref());
    let create_role = role::create_role(&mut checker, blocks.stage("create-role"));
    let create_endpoint = serve::create_endpoint(&mut checker, blocks.stage("create-endpoint"));
    serve::check_model_server(&mut checker, package.as_ref(), create_endpoint.as_ref());
    let deploy_proxy = proxy::deploy_proxy(&mut checker, blocks.stage("deploy-proxy"), train.as_ref());
    let smoke_test = serve::smoke_test(&mut checker, blocks.stage("smoke-test"), train.as_ref(), deploy_proxy.as_ref());
    let teardown = serve::teardown(&mut checker, blocks.stage("teardown"));

    let complaints = checker.complaints;
    match (name, train, package, upload, create_role, create_endpoint, deploy_proxy, smoke_test, teardown) {
        (
            Some(name),
            Some(train),
            Some(package),
            Some(upload),
            Some(create_role),
            Some(create_endpoint),
            Some(deploy_proxy),
            Some(smoke_test),
            Some(teardown),
        ) if complaints.is_empty() => Ok(Spec {
            name,
            targets,
            train,
            package,
            upload,
            create_role,
            create_endpoint,
            deploy_proxy,
            smoke_test,
            teardown,
            places,
        }),
        _ => Err(Complaints::new(complaints)),
    }
}

/// The two YAML readers differ in a few corners; what either refuses is refused.
fn not_yaml(places: &Places, error: &serde_yaml::Error) -> Complaint {
    let at = error.location().map_or(0, |location| location.index());
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    places.complain_at(at..at, format!("not valid YAML: {reason}"))
}

/// Reads every key as it is written, so that a column called `1` or `on` is a name like any other.
fn with_text_keys(value: Value, item: &Item) -> Value {
    match (value, &*item.node) {
        (Value::Mapping(mapping), Node::Mapping(entries)) => {
            let values = mapping.into_iter().map(|(_, value)| value);
            let entry = |(value, entry): (Value, &Entry)| {
                (Value::String(entry.key.clone()), with_text_keys(value, &entry.value))
            };
            Value::Mapping(values.zip(entries).map(entry).collect())
        }
        (Value::Sequence(values), Node::Sequence(items)) => {
            values.into_iter().zip(items).map(|(value, item)| with_text_keys(value, item)).collect()
        }
        (value, _) => value,
    }
}

/// The blocks of a file that are well formed, by name.
struct Blocks<'a> {
    stages: Vec<(&'a str, &'a Value)>,
    targets: Vec<(&'a str, &'a Value)>,
    /// Names of stages that have been complained about.
    broken: Vec<String>,
}

/// What is known of a stage's block.
#[derive(Clone, Copy)]
enum Block<'a> {
    /// Not written: defaults.
    Absent,
    /// Written.
    Present(&'a Value),
    /// Already complained about.
    Broken,
}

impl<'a> Blocks<'a> {
    fn stage(&self, name: &str) -> Block<'a> {
        if self.broken.iter().any(|broken| broken == name) {
            return Block::Broken;
        }
        let found = self.stages.iter().find(|(stage, _)| *stage == name);
        found.map_or(Block::Absent, |(_, value)| Block::Present(value))
    }
}

/// Collects complaints.
struct Checker<'a> {
    places: &'a Places,
    complaints: Vec<Complaint>,
}

impl Checker<'_> {
    fn say(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    /// Reads a stage's block; none when it has been complained about.
    fn stage<T: DeserializeOwned + Default>(&mut self, name: &str, block: Block<'_>) -> Option<T> {
        match block {
            Block::Absent => Some(T::default()),
            Block::Broken => None,
            Block::Present(value) => {
                self.read::<Option<T>>(&format!("stages.{name}"), value).map(Option::unwrap_or_default)
            }
        }
    }

    /// Reads a part of the file by serde, which tells the first value of a wrong type.
    fn read<T: DeserializeOwned>(&mut self, path: &str, value: &Value) -> Option<T> {
        match serde_path_to_error::deserialize(value) {
            Ok(read) => Some(read),
            Err(error) => {
                self.say(words::from_serde(self.places, path, value, &error));
                None
            }
        }
    }

    /// Objects to a value of a wrong type.
    fn wrong_type(&mut self, path: &str, value: &Value, expected: &str) {
        self.say(WrongType { path, value, expected }.complain(self.places));
    }

    /// A whole number within `range`, or else the default.
    fn whole<T>(&mut self, path: &str, given: Option<i64>, range: &RangeInclusive<i64>, default: T) -> T
    where
        T: TryFrom<i64>,
    {
        match given {
            Some(number) if self.within(path, &number, range) => T::try_from(number).unwrap_or(default),
            _ => default,
        }
    }

    /// A number within `range`, or else the default.
    fn number(&mut self, path: &str, given: Option<f64>, range: &RangeInclusive<f64>, default: f64) -> f64 {
        given.filter(|number| self.within(path, number, range)).unwrap_or(default)
    }

    /// A number above 0 and at most 1, or else the default.
    fn share_above_zero(&mut self, path: &str, given: Option<f64>, default: f64) -> f64 {
        match given {
            // Most of these end in an f32, in which a tiny number would be 0.
            Some(number) if !(number <= 1.0 && number as f32 > 0.0) => {
                let message = format!("`{}` must be above 0 and at most 1, not {number}", leaf(path));
                self.say(self.places.complain(path, message));
                default
            }
            number => number.unwrap_or(default),
        }
    }

    /// A share in whole per cent within `range`, or else the default.
    fn percent(&mut self, path: &str, given: Option<f64>, range: &RangeInclusive<i64>, default: i32) -> i32 {
        let Some(share) = given else { return default };
        let percent = (share * 100.0).round();
        // What is written as a decimal is nearly a whole per cent, not quite.
        if (share * 100.0 - percent).abs() < 1e-6 && (*range.start() as f64..=*range.end() as f64).contains(&percent) {
            return percent as i32;
        }
        let (from, to) = (*range.start() as f64 / 100.0, *range.end() as f64 / 100.0);
        let message = format!("`{}` must be from {from} to {to}, in whole per cent, not {share}", leaf(path));
        self.say(self.places.complain(path, message));
        default
    }

    /// A number above 0 and finite, or else the default.
    fn above_zero(&mut self, path: &str, number: f64, default: f64) -> f64 {
        if number as f32 > 0.0 && (number as f32).is_finite() {
            return number;
        }
        self.say(self.places.complain(path, format!("`{}` must be above 0 and finite, not {number}", leaf(path))));
        default
    }

    /// Objects to two of the keys of the block at `path` being given; the labels are of the later and the earlier one.
    fn two_of(&mut self, path: &str, keys: &[&str], given: &[bool], message: &str, labels: [&str; 2]) {
        let mut given = keys.iter().zip(given).filter(|(_, given)| **given).map(|(key, _)| format!("{path}.{key}"));
        let (Some(first), Some(second)) = (given.next(), given.next()) else { return };
        let complaint = self.places.complain_key(&second, message).label(labels[0]);
        self.say(complaint.also(self.places.key(&first), labels[1]).help("keep one of them"));
    }

    fn within<T: PartialOrd + Display>(&mut self, path: &str, number: &T, range: &RangeInclusive<T>) -> bool {
        let fits = range.contains(number);
        if !fits {
            let (from, to) = (range.start(), range.end());
            self.say(self.places.complain(path, format!("`{}` must be from {from} to {to}, not {number}", leaf(path))));
        }
        fits
    }
}

/// The known word that was probably meant.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong, as in rustc's own suggestions.
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&word.to_lowercase(), &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// So many known words are listed only when none of them is near.
const MANY: usize = 20;

/// Suggests the known word that was probably meant, and lists them all.
fn suggest(complaint: Complaint, word: &str, kind: &str, known: &[&str]) -> Complaint {
    let near = nearest(word, known.iter().copied());
    let complaint = match near {
        Some(near) => complaint.help(format!("did you mean `{near}`?")),
        None => complaint,
    };
    match known.len() {
        0 => complaint.help("nothing can be chosen here"),
        MANY.. if near.is_some() => complaint,
        _ => complaint.help(format!("{kind}: {}", known.join(", "))),
    }
}
