//! From a model to JSON that all `XGBoost` releases since 1.3 read alike.
//!
//! The members are those that 1.7.4 and 3.2 need; both refuse a tree that lacks one of its lists, empty ones included.
//! Truth values are `true` and `false`: releases before 1.6 refuse numbers, and later ones read both. There are no
//! attributes, and a round is one tree: nothing is left that one release reads and another does not.

use std::fmt::Write as _;

use crate::tree::{Node, Tree};
use crate::{Booster, Model, name_fault};

/// What `XGBoost` writes for the parent of a root.
const NO_PARENT: u32 = 0x7fff_ffff;

/// Writes a model, members in alphabetical order as `XGBoost` does.
pub(crate) fn json(model: &Model) -> Vec<u8> {
    let booster = match &model.booster {
        Booster::Trees { trees, .. } => gbtree(model, trees),
        Booster::Linear { weights, bias } => gblinear(model, weights, *bias),
    };
    // A probability of one half is a margin of zero; any other start is a tree or a part of the bias. That way no
    // release has anything to convert, and the list form, which most ignore, is not needed.
    let base_score = if model.objective.is_probability() { "5E-1".to_owned() } else { float(model.base_margin) };
    format!(
        r#"{{"learner":{{"attributes":{{}},"feature_names":{names},"feature_types":[],"gradient_booster":{booster},"learner_model_param":{{"base_score":"{base_score}","boost_from_average":"1","num_class":"0","num_feature":"{features}","num_target":"1"}},"objective":{{"name":"{objective}","reg_loss_param":{{"scale_pos_weight":"1"}}}}}},"version":[1,7,6]}}"#,
        names = names(&model.feature_names),
        features = model.features,
        objective = model.objective.name(),
    )
    .into_bytes()
}

/// Lists the names, or none if `XGBoost` would stumble over one.
fn names(names: &[String]) -> String {
    if names.iter().any(|name| name_fault(name).is_some()) {
        return "[]".to_owned();
    }
    list(names, |name| format!("\"{name}\""))
}

fn gblinear(model: &Model, weights: &[f32], bias: f32) -> String {
    // XGBoost adds the two before anything else, so adding them here changes no bit.
    let bias = if model.objective.is_probability() { bias + model.base_margin } else { bias };
    let weights = [weights, &[bias]].concat();
    let weights = list(&weights, |weight| float(*weight));
    format!(r#"{{"model":{{"boosted_rounds":1,"weights":{weights}}},"name":"gblinear"}}"#)
}

fn gbtree(model: &Model, trees: &[Tree]) -> String {
    // XGBoost from 2.0 on loads a model without trees, but does not score with it. Negative zero changes no sum.
    let value = if model.objective.is_probability() { model.base_margin } else { -0.0 };
    let start = (value != 0.0 || trees.is_empty()).then(|| vec![Node::Leaf { value, cover: 0.0 }]);
    let all = start.iter().map(Vec::as_slice).chain(trees.iter().map(Tree::nodes)).collect::<Vec<_>>();
    let count = all.len();
    let mut text = String::from(r#"{"model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":""#);
    let _ = write!(text, r#"{count}","size_leaf_vector":"0"}},"tree_info":{},"trees":["#, zeros(count));
    for (index, nodes) in all.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_tree(&mut text, index, nodes, model.features);
    }
    text.push_str(r#"]},"name":"gbtree"}"#);
    text
}

fn push_tree(text: &mut String, index: usize, nodes: &[Node], features: usize) {
    let column = |of_split: fn(&Node) -> String| list(nodes, of_split);
    let _ = write!(
        text,
        r#"{{"base_weights":{},"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],"default_left":{},"id":{index},"left_children":{},"loss_changes":{},"parents":{},"right_children":{},"split_conditions":{},"split_indices":{},"split_type":{},"sum_hessian":{},"tree_param":{{"num_deleted":"0","num_feature":"{features}","num_nodes":"{}","size_leaf_vector":"0"}}}}"#,
        column(|node| match node {
            Node::Split { .. } => float(0.0),
            Node::Leaf { value, .. } => float(*value),
        }),
        column(|node| match node {
            Node::Split { default_left, .. } => default_left.to_string(),
            Node::Leaf { .. } => "false".to_owned(),
        }),
        column(|node| match node {
            Node::Split { left, .. } => left.to_string(),
            Node::Leaf { .. } => "-1".to_owned(),
        }),
        column(|node| match node {
            Node::Split { gain, .. } => float(*gain),
            Node::Leaf { .. } => float(0.0),
        }),
        list(&parents(nodes), u32::to_string),
        column(|node| match node {
            Node::Split { right, .. } => right.to_string(),
            Node::Leaf { .. } => "-1".to_owned(),
        }),
        column(|node| match node {
            Node::Split { threshold, .. } => float(*threshold),
            Node::Leaf { value, .. } => float(*value),
        }),
        column(|node| match node {
            Node::Split { feature, .. } => feature.to_string(),
            Node::Leaf { .. } => "0".to_owned(),
        }),
        zeros(nodes.len()),
        column(|node| match node {
            Node::Split { cover, .. } | Node::Leaf { cover, .. } => float(*cover),
        }),
        nodes.len(),
    );
}

fn parents(nodes: &[Node]) -> Vec<u32> {
    let mut parents = vec![NO_PARENT; nodes.len()];
    for (node, parent) in nodes.iter().zip(0..) {
        if let Node::Split { left, right, .. } = *node {
            parents[left as usize] = parent;
            parents[right as usize] = parent;
        }
    }
    parents
}

/// Writes the shortest text that reads back as the same f32, always with an exponent.
///
/// `XGBoost` tells lists of floats from lists of integers by their texts, so `1` would not do.
fn float(number: f32) -> String {
    format!("{number:E}")
}

fn zeros(count: usize) -> String {
    list(&vec![0_u8; count], u8::to_string)
}

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let mut list = String::from("[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            list.push(',');
        }
        list.push_str(&text(item));
    }
    list.push(']');
    list
}
