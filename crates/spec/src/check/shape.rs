//! The keys of a file and the order of its stages, before any value is looked at.

use std::ops::Range;

use serde_json::Value as Shape;
use serde_yaml::Value;

use super::words::quoted;
use super::{Blocks, Checker, nearest, suggest};
use crate::STAGES;
use crate::complaint::Complaint;
use crate::places::{Item, Node, Places};
use crate::schema::{Known, Shapes};

/// Keys that are likely to be tried with another algorithm than the one that has them.
const OF_GRADIENT_BOOSTING: [&str; 3] = ["class-weight", "early-stopping", "monotone"];

/// Complains about unknown keys everywhere, and hands out the blocks that have none.
pub(super) fn check<'a>(checker: &mut Checker<'_>, file: &'a Value) -> Blocks<'a> {
    let shapes = Shapes::new();
    let places = checker.places;
    let mut blocks = Blocks { stages: Vec::new(), targets: Vec::new(), broken: Vec::new() };
    for entry in places.root().entries() {
        let shape = match shapes.key(shapes.root(), &entry.key) {
            Known::Key(shape) => shape,
            Known::Not(known) => {
                checker.say(unknown_top_key(places, &entry.key, &entry.key_at, &known));
                continue;
            }
            Known::Nothing => continue,
        };
        let value = &file[entry.key.as_str()];
        match entry.key.as_str() {
            "stages" => stages(checker, &shapes, shape, &entry.value, value, &mut blocks),
            "targets" => targets(checker, &shapes, shape, &entry.value, value, &mut blocks),
            _ => {}
        }
    }
    blocks
}

fn unknown_top_key(places: &Places, key: &str, key_at: &Range<usize>, known: &[&str]) -> Complaint {
    let complaint = places.complain_at(key_at.clone(), format!("unknown key {}", quoted(key)));
    if STAGES.contains(&key) {
        return complaint.label("this is a stage").help(format!("stages stand under `stages:`, as `- {key}:`"));
    }
    suggest(complaint, key, "known keys", known)
}

fn targets<'a>(
    checker: &mut Checker<'_>,
    shapes: &Shapes,
    shape: &Shape,
    item: &Item,
    value: &'a Value,
    blocks: &mut Blocks<'a>,
) {
    match value {
        Value::Null => {}
        Value::Mapping(_) => {
            for entry in item.entries() {
                let Known::Key(shape) = shapes.key(shape, &entry.key) else { continue };
                let clean = keys(checker, shapes, shape, &entry.value);
                // The file's own key is borrowed from `value`, which outlives the tree.
                let written =
                    value.as_mapping().into_iter().flatten().find(|(key, _)| key.as_str() == Some(&entry.key));
                if let (true, Some((key, value))) = (clean, written) {
                    blocks.targets.push((key.as_str().unwrap_or_default(), value));
                }
            }
        }
        _ => checker.wrong_type("targets", value, "a block with a key for each target"),
    }
}

fn stages<'a>(
    checker: &mut Checker<'_>,
    shapes: &Shapes,
    shape: &Shape,
    item: &Item,
    value: &'a Value,
    blocks: &mut Blocks<'a>,
) {
    let (Node::Sequence(items), Value::Sequence(values)) = (&*item.node, value) else {
        if !value.is_null() {
            let complaint = checker.places.complain("stages", "`stages` must be a list");
            checker.say(complaint.help("write each stage as an item: `- train:`"));
        }
        return;
    };
    let Some(shape) = shapes.items(shape) else { return };
    let mut seen: Vec<(usize, Range<usize>)> = Vec::new();
    for (index, (item, value)) in items.iter().zip(values).enumerate() {
        let Some((name, at)) = stage_name(checker, item, index) else { continue };
        let Some(rank) = STAGES.iter().position(|stage| *stage == name) else {
            let complaint = checker.places.complain_at(at, format!("unknown stage {}", quoted(&name)));
            checker.say(suggest(complaint, &name, "stages", &STAGES));
            // Its defaults would be judged in its stead.
            blocks.broken.extend(nearest(&name, STAGES).map(str::to_owned));
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(earlier, _)| *earlier == rank) {
            let complaint = checker.places.complain_at(at, format!("stage `{name}` is written twice"));
            checker.say(complaint.label("again here").also(first.clone(), "first here"));
            blocks.broken.push(name);
            continue;
        }
        if let Some((later, place)) = seen.iter().find(|(earlier, _)| *earlier > rank) {
            let message = format!("stage `{name}` stands after `{}`, but runs before it", STAGES[*later]);
            let complaint = checker.places.complain_at(at.clone(), message).also(place.clone(), "runs later");
            checker.say(complaint.help(format!("the order is {}", STAGES.join(", "))));
        }
        seen.push((rank, at));
        let Some(entry) = item.entries().first() else { continue };
        let clean = match shapes.key(shape, &name) {
            Known::Key(shape) => keys(checker, shapes, shape, &entry.value),
            _ => true,
        };
        match value.get(STAGES[rank]) {
            Some(block) if clean && item.entries().len() == 1 => blocks.stages.push((STAGES[rank], block)),
            _ => blocks.broken.push(name),
        }
    }
}

/// The name of one item of `stages`, and where it stands.
fn stage_name(checker: &mut Checker<'_>, item: &Item, index: usize) -> Option<(String, Range<usize>)> {
    match &*item.node {
        Node::Scalar(name) if !name.is_empty() => Some((name.clone(), item.at.clone())),
        Node::Mapping(entries) => {
            let [first, more @ ..] = entries.as_slice() else {
                checker.say(nameless(checker.places, index));
                return None;
            };
            for entry in more {
                let (stage, key) = (&first.key, &entry.key);
                let message = format!("{} stands beside stage {}, not in it", quoted(key), quoted(stage));
                let complaint = checker.places.complain_at(entry.key_at.clone(), message);
                let help = if STAGES.contains(&key.as_str()) {
                    format!("write `- ` before it: `- {key}:`")
                } else {
                    format!("indent it further than `{stage}`")
                };
                checker.say(complaint.also(first.key_at.clone(), "the stage").help(help));
            }
            Some((first.key.clone(), first.key_at.clone()))
        }
        _ => {
            checker.say(nameless(checker.places, index));
            None
        }
    }
}

fn nameless(places: &Places, index: usize) -> Complaint {
    places
        .complain(&format!("stages[{index}]"), format!("item {} of `stages` names no stage", index + 1))
        .help(format!("stages: {}", STAGES.join(", ")))
}

/// Complains about unknown keys in a value that looks like `shape`; says whether there were none.
fn keys(checker: &mut Checker<'_>, shapes: &Shapes, shape: &Shape, item: &Item) -> bool {
    let mut clean = true;
    match &*item.node {
        Node::Scalar(_) => {}
        Node::Sequence(items) => {
            if let Some(shape) = shapes.items(shape) {
                for item in items {
                    clean &= keys(checker, shapes, shape, item);
                }
            }
        }
        Node::Mapping(entries) => {
            for entry in entries {
                match shapes.key(shape, &entry.key) {
                    Known::Key(shape) => clean &= keys(checker, shapes, shape, &entry.value),
                    Known::Nothing => {}
                    Known::Not(known) => {
                        let message = format!("unknown key {}", quoted(&entry.key));
                        let complaint = checker.places.complain_at(entry.key_at.clone(), message);
                        let complaint = if matches!(entry.key.as_str(), "Principal" | "NotPrincipal") {
                            complaint.help("the policy of a role names no principal: the role is the principal")
                        } else if OF_GRADIENT_BOOSTING.contains(&entry.key.as_str()) {
                            complaint.help(format!("only `gradient-boosting` has `{}`", entry.key))
                        } else {
                            complaint
                        };
                        checker.say(suggest(complaint, &entry.key, "known keys", &known));
                        clean = false;
                    }
                }
            }
        }
    }
    clean
}
