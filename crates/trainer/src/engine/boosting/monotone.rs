//! Keeps a tree's scores rising or falling along a feature.

use std::collections::BTreeMap;

use forust_ml::constraints::{Constraint, ConstraintMap};
use forust_ml::tree::Tree;

use super::Monotone;

/// Translates names into the numbers of columns; a name that is no feature was refused before.
pub(super) fn constraints(monotone: &BTreeMap<String, Monotone>, features: &[String]) -> ConstraintMap {
    let numbered = features.iter().enumerate().filter_map(|(column, name)| {
        let constraint = match monotone.get(name)? {
            Monotone::Increasing => Constraint::Positive,
            Monotone::Decreasing => Constraint::Negative,
        };
        Some((column, constraint))
    });
    numbered.collect()
}

/// Moves leaves into the bounds that the splits on constrained features above them set, which is `XGBoost`'s rule.
///
/// `forust-ml` orders the two sides of such a split, but further down holds only splits on constrained features to its
/// bounds: below a split on any other feature a leaf may lie beyond the middle, and the score then falls where it
/// should rise.
pub(super) fn enforce(tree: &mut Tree, constraints: &ConstraintMap) {
    if constraints.is_empty() {
        return;
    }
    // Each node once: no more than the tree has.
    let mut open = vec![(0, f32::NEG_INFINITY, f32::INFINITY)];
    while let Some((at, low, high)) = open.pop() {
        let node = &mut tree.nodes[at];
        node.weight_value = node.weight_value.clamp(low, high);
        if node.is_leaf {
            continue;
        }
        let (left, right, feature) = (node.left_child, node.right_child, node.split_feature);
        let weight = |child: usize| tree.nodes[child].weight_value.clamp(low, high);
        let middle = f32::midpoint(weight(left), weight(right));
        let (on_left, on_right) = match constraints.get(&feature) {
            Some(Constraint::Positive) => ((low, middle), (middle, high)),
            Some(Constraint::Negative) => ((middle, high), (low, middle)),
            Some(Constraint::Unconstrained) | None => ((low, high), (low, high)),
        };
        open.push((left, on_left.0, on_left.1));
        open.push((right, on_right.0, on_right.1));
    }
}
