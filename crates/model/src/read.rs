//! From bytes to a checked model.

use crate::attributes::Attributes;
use crate::error::{ModelError, TreeError, Unsupported};
use crate::tree::{Node, Tree};
use crate::value::Place;
use crate::{MODEL_LIMIT_BYTES, Misreading, Model, Objective, json, ubj};

/// The feature of a node that pruning took out of its tree; its slot stays in the lists.
const DELETED: i64 = 0x7fff_ffff;

/// Reads a model file of either syntax.
pub(crate) fn model(bytes: &[u8]) -> Result<Model, ModelError> {
    if bytes.len() > MODEL_LIMIT_BYTES {
        return Err(ModelError::TooLarge { bytes: bytes.len(), limit_bytes: MODEL_LIMIT_BYTES });
    }
    let (value, is_newer) = match Syntax::of(bytes)? {
        Syntax::Json => (json::parse(bytes)?, truth_is_a_number(bytes)),
        Syntax::Ubj => (ubj::parse(bytes)?, true),
    };
    let mut model = learner(&Place::top(&value).member("learner")?)?;
    if is_newer {
        model.misreadings.push(Misreading::NewerForm);
    }
    Ok(model)
}

/// Tells whether the trees have numbers for truth values, by the first list of them: parsed, they are the same.
fn truth_is_a_number(json: &[u8]) -> bool {
    const NAME: &[u8] = b"\"default_left\"";
    let place = json.windows(NAME.len()).position(|window| window == NAME);
    let mut after = place.map_or(&[][..], |place| &json[place + NAME.len()..]).iter();
    after.find(|byte| !byte.is_ascii_whitespace() && !b":[".contains(byte)).is_some_and(u8::is_ascii_digit)
}

enum Syntax {
    Json,
    Ubj,
}

impl Syntax {
    /// Looks behind the opening brace: JSON goes on with a quote, UBJSON with the type of a length or of a header.
    fn of(bytes: &[u8]) -> Result<Self, ModelError> {
        let start = bytes.trim_ascii_start();
        match start {
            [b'{', b'U' | b'i' | b'I' | b'l' | b'L' | b'#' | b'$' | b'N', ..] => Ok(Self::Ubj),
            [b'{', ..] => Ok(Self::Json),
            _ => Err(ModelError::NotAModel { found: looks_like(bytes) }),
        }
    }
}

/// Names what people take for a model file.
fn looks_like(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "nothing",
        [0x80, 2..=5, ..] => "a pickled Python object; save the model with `save_model`",
        [b'b', b'i', b'n', b'f', ..] | [b'b', b's', b'6', b'4', ..] => {
            "XGBoost's old binary format; load and save it with XGBoost 1.7 under a name that ends in `.json`"
        }
        [0x1f, 0x8b, ..] => "a gzip archive",
        [b'P', b'K', ..] => "a zip archive",
        _ if bytes.get(257..262) == Some(b"ustar") => "a tar archive without compression",
        _ => "something else",
    }
}

fn learner(learner: &Place<'_>) -> Result<Model, ModelError> {
    let param = learner.member("learner_model_param")?;
    at_most_one(&param, "num_class", Unsupported::Classes)?;
    at_most_one(&param, "num_target", Unsupported::Targets)?;
    let name = learner.member("objective")?.member("name")?.text()?;
    let objective = Objective::from_name(name).ok_or_else(|| Unsupported::Objective(name.to_owned()))?;
    let (base_score, is_list) = base_score(&param.member("base_score")?)?;
    let base_margin = base_margin(objective, base_score)?;
    let features = param.member("num_feature")?.count()?;
    let names = match learner.optional("feature_names")? {
        Some(names) => names.texts()?,
        None => Vec::new(),
    };

    let booster = learner.member("gradient_booster")?;
    let attributes = Attributes::read(learner)?;
    let mut model = match booster.member("name")?.text()? {
        "gbtree" => {
            let place = booster.member("model")?;
            let mut trees = trees(&place)?;
            let early_stop = attributes.early_stop(&place, trees.len())?;
            trees.truncate(early_stop.map_or(trees.len(), |stop| stop.trees));
            let model = Model::of_trees(features, names, objective, base_margin, trees)?;
            Model { early_stop, ..model }
        }
        "gblinear" => {
            let place = booster.member("model")?;
            let (weights, bias) = weights(&place.member("weights")?, features)?;
            let mut model = Model::of_weights(features, names, objective, base_margin, weights, bias)?;
            let rounds = place.optional("boosted_rounds")?.map(|rounds| rounds.count()).transpose()?;
            if rounds.is_none_or(|rounds| rounds == 0) {
                model.misreadings.push(Misreading::RoundsNotCounted);
            }
            model
        }
        other => return Err(Unsupported::Booster(other.to_owned()).into()),
    };
    if is_list {
        model.misreadings.push(Misreading::BaseScoreIgnored);
    }
    let limit = attributes.tree_limit(model.trees().len());
    model.misreadings.extend(limit.map(|trees| Misreading::LaterTreesIgnored { trees }));
    Ok(model)
}

fn at_most_one(place: &Place<'_>, name: &str, unsupported: fn(u64) -> Unsupported) -> Result<(), ModelError> {
    match place.optional(name)?.map(|count| count.count()).transpose()? {
        Some(count) if count > 1 => Err(unsupported(count).into()),
        _ => Ok(()),
    }
}

/// Reads `"5E-1"`, or `"[5E-1]"` as `XGBoost` writes it from 3.1 on, and tells whether it was the latter.
fn base_score(place: &Place<'_>) -> Result<(f32, bool), ModelError> {
    let text = place.text()?.trim();
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let number = inner.unwrap_or(text);
    if inner.is_some() && number.contains(',') {
        return Err(Unsupported::Targets(number.split(',').count() as u64).into());
    }
    let number = number.trim().parse().map_err(|_| place.wrong_type("a number as text"))?;
    Ok((number, inner.is_some()))
}

/// Converts the base score, which the logistic objectives state as a probability, in f32 as `XGBoost` does.
fn base_margin(objective: Objective, base_score: f32) -> Result<f32, ModelError> {
    if !objective.is_probability() {
        return Ok(base_score);
    }
    if base_score > 0.0 && base_score < 1.0 {
        return Ok(-(1.0 / base_score - 1.0).ln());
    }
    Err(ModelError::BaseScore { value: base_score })
}

fn weights(place: &Place<'_>, features: u64) -> Result<(Vec<f32>, f32), ModelError> {
    let mut weights = place.floats()?;
    let expected = usize::try_from(features).unwrap_or(usize::MAX).saturating_add(1);
    check_length(place, weights.len(), expected)?;
    let bias = weights.pop().unwrap_or_default();
    Ok((weights, bias))
}

fn trees(model: &Place<'_>) -> Result<Vec<Tree>, ModelError> {
    let param = model.member("gbtree_model_param")?;
    at_most_one(&param, "size_leaf_vector", Unsupported::VectorLeaf)?;
    let list = model.member("trees")?;
    let groups = model.member("tree_info")?;
    let trees = list.list("a list of trees")?;
    check_length(&list, trees.len(), usize::try_from(param.member("num_trees")?.count()?).unwrap_or(usize::MAX))?;
    let group_of = groups.integers()?;
    check_length(&groups, group_of.len(), trees.len())?;
    if let Some(group) = group_of.iter().find(|group| **group != 0) {
        return Err(Unsupported::Classes(group.unsigned_abs() + 1).into());
    }
    trees.enumerate().map(|(index, place)| tree(&place, index)).collect()
}

/// The lists of a tree: entry *i* of each describes node *i*.
struct Columns {
    left: Vec<i64>,
    right: Vec<i64>,
    feature: Vec<i64>,
    number: Vec<f32>,
    default_left: Vec<i64>,
    gain: Vec<f32>,
    cover: Vec<f32>,
}

fn tree(place: &Place<'_>, index: usize) -> Result<Tree, ModelError> {
    let param = place.member("tree_param")?;
    at_most_one(&param, "size_leaf_vector", Unsupported::VectorLeaf)?;
    if let Some(kinds) = place.optional("split_type")?
        && kinds.numbers()?.iter().any(|kind| *kind != 0.0)
    {
        return Err(Unsupported::Categorical(index).into());
    }
    let nodes = usize::try_from(param.member("num_nodes")?.count()?).unwrap_or(usize::MAX);
    let columns = Columns {
        left: integers(place, "left_children", nodes)?,
        right: integers(place, "right_children", nodes)?,
        feature: integers(place, "split_indices", nodes)?,
        number: floats(place, "split_conditions", nodes)?,
        default_left: integers(place, "default_left", nodes)?,
        gain: finite(floats(place, "loss_changes", nodes)?),
        cover: finite(floats(place, "sum_hessian", nodes)?),
    };
    columns.tree().map_err(|source| ModelError::Tree { index, source })
}

impl Columns {
    /// Makes the tree without its deleted nodes, so that what is left closes up.
    fn tree(&self) -> Result<Tree, TreeError> {
        let mut next = 0_u32..;
        let is_deleted = |node: usize| self.left[node] == -1 && self.feature[node] == DELETED;
        let places = (0..self.left.len()).map(|node| if is_deleted(node) { None } else { next.next() });
        let places = places.collect::<Vec<_>>();
        let nodes = (0..self.left.len()).filter(|node| places[*node].is_some());
        Tree::new(nodes.map(|node| self.node(node, &places)).collect::<Result<_, _>>()?)
    }

    fn node(&self, node: usize, places: &[Option<u32>]) -> Result<Node, TreeError> {
        let cover = self.cover[node];
        if self.left[node] == -1 && self.right[node] == -1 {
            return Ok(Node::Leaf { value: self.number[node], cover });
        }
        let child = |child: i64| {
            let place = usize::try_from(child).ok().and_then(|child| places.get(child));
            let place = place.ok_or(TreeError::ChildOutOfRange { node, child, nodes: places.len() })?;
            place.ok_or(TreeError::DeletedChild { node, child })
        };
        let (left, right) = (child(self.left[node])?, child(self.right[node])?);
        // Before the deleted nodes are gone: closing up could bring the two together.
        if self.left[node] + 1 != self.right[node] {
            return Err(TreeError::ChildrenApart { node, left: self.left[node], right: self.right[node] });
        }
        Ok(Node::Split {
            // One that is negative or too large is certainly not among the features.
            feature: u32::try_from(self.feature[node]).unwrap_or(u32::MAX),
            threshold: self.number[node],
            default_left: self.default_left[node] != 0,
            left,
            right,
            gain: self.gain[node],
            cover,
        })
    }
}

fn integers(tree: &Place<'_>, name: &str, nodes: usize) -> Result<Vec<i64>, ModelError> {
    let place = tree.member(name)?;
    let integers = place.integers()?;
    check_length(&place, integers.len(), nodes)?;
    Ok(integers)
}

fn floats(tree: &Place<'_>, name: &str, nodes: usize) -> Result<Vec<f32>, ModelError> {
    let place = tree.member(name)?;
    let floats = place.floats()?;
    check_length(&place, floats.len(), nodes)?;
    Ok(floats)
}

/// Replaces what is no number in statistics that no score depends on.
fn finite(mut numbers: Vec<f32>) -> Vec<f32> {
    for number in numbers.iter_mut().filter(|number| !number.is_finite()) {
        *number = 0.0;
    }
    numbers
}

fn check_length(place: &Place<'_>, found: usize, expected: usize) -> Result<(), ModelError> {
    if found == expected {
        return Ok(());
    }
    Err(ModelError::WrongLength { member: place.path().to_owned(), found, expected })
}
