//! One decision tree, checked when it is made.

use crate::error::TreeError;

/// The most splits on the way to a leaf: far beyond what training gives, and what bounds the memory that explaining takes.
pub const DEPTH_LIMIT: usize = 4096;

/// One node of a [`Tree`]. Children are positions in the tree's list of nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// An inner node: rows whose feature is below the threshold go left.
    Split {
        /// Position of the feature in a row.
        feature: u32,
        /// Compared with `value < threshold`; see [`threshold_from_f64`].
        threshold: f32,
        /// Where rows go that lack the feature, that is, hold NaN.
        default_left: bool,
        /// The child for values below the threshold.
        left: u32,
        /// The child for all other values: the node behind `left`.
        right: u32,
        /// How much the split improved the training loss.
        gain: f32,
        /// Sum of the second derivatives of the training rows that came here.
        cover: f32,
    },
    /// An end: its value is added to the row's margin.
    Leaf {
        /// What is added.
        value: f32,
        /// Sum of the second derivatives of the training rows that came here.
        cover: f32,
    },
}

impl Node {
    pub(crate) fn cover(&self) -> f32 {
        match *self {
            Self::Split { cover, .. } | Self::Leaf { cover, .. } => cover,
        }
    }
}

/// A decision tree whose root is its first node and whose nodes all have one way from the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// Makes a tree of nodes, the root first.
    pub fn new(nodes: Vec<Node>) -> Result<Self, TreeError> {
        check_numbers(&nodes)?;
        check_shape(&nodes)?;
        Ok(Self { nodes })
    }

    /// Makes a tree of a single leaf, which adds the same to every row.
    pub fn constant(value: f32) -> Result<Self, TreeError> {
        Self::new(vec![Node::Leaf { value, cover: 0.0 }])
    }

    /// Returns the nodes, the root first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Checks that no split looks beyond the end of a row.
    pub(crate) fn check_features(&self, features: usize) -> Result<(), TreeError> {
        for (index, node) in self.nodes.iter().enumerate() {
            if let Node::Split { feature, .. } = *node
                && usize::try_from(feature).is_ok_and(|feature| feature >= features)
            {
                return Err(TreeError::FeatureOutOfRange { node: index, feature, features });
            }
        }
        Ok(())
    }
}

/// Rounds a threshold up to the next `f32`, so that `value < threshold` decides every `f32` value as before.
///
/// Rounding to the nearest could move the threshold below a value that was left of it.
pub fn threshold_from_f64(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) < threshold { nearest.next_up() } else { nearest }
}

fn check_numbers(nodes: &[Node]) -> Result<(), TreeError> {
    for (index, node) in nodes.iter().enumerate() {
        let numbers = match *node {
            Node::Split { threshold, gain, cover, .. } => [("threshold", threshold), ("gain", gain), ("cover", cover)],
            Node::Leaf { value, cover } => [("value", value), ("cover", cover), ("cover", cover)],
        };
        if let Some((what, _)) = numbers.into_iter().find(|(_, number)| !number.is_finite()) {
            return Err(TreeError::NotFinite { node: index, what });
        }
    }
    Ok(())
}

/// Walks from the root: every node is met exactly once, so scoring ends, and ends soon.
fn check_shape(nodes: &[Node]) -> Result<(), TreeError> {
    if nodes.is_empty() {
        return Err(TreeError::Empty);
    }
    let mut met = vec![false; nodes.len()];
    met[0] = true;
    let mut open = vec![(0, 0)];
    while let Some((node, depth)) = open.pop() {
        let Node::Split { left, right, .. } = nodes[node] else { continue };
        if depth == DEPTH_LIMIT {
            return Err(TreeError::TooDeep { limit: DEPTH_LIMIT });
        }
        for child in [left, right] {
            let index = usize::try_from(child).ok().filter(|index| *index < nodes.len());
            let Some(index) = index else {
                return Err(TreeError::ChildOutOfRange { node, child: child.into(), nodes: nodes.len() });
            };
            if index == 0 {
                return Err(TreeError::RootHasParent { parent: node });
            }
            if std::mem::replace(&mut met[index], true) {
                return Err(TreeError::SharedNode { node: index });
            }
            open.push((index, depth + 1));
        }
        if left + 1 != right {
            return Err(TreeError::ChildrenApart { node, left: left.into(), right: right.into() });
        }
    }
    match met.iter().position(|met| !met) {
        Some(node) => Err(TreeError::Unreachable { node }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::float_cmp, reason = "a test may panic, and rounding is exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(left: u32, right: u32) -> Node {
        Node::Split { feature: 0, threshold: 0.5, default_left: false, left, right, gain: 1.0, cover: 2.0 }
    }

    fn leaf(value: f32) -> Node {
        Node::Leaf { value, cover: 1.0 }
    }

    fn refusal(nodes: Vec<Node>) -> String {
        Tree::new(nodes).unwrap_err().to_string()
    }

    #[test]
    fn nodes_that_make_no_tree_are_refused() {
        let cases = [
            refusal(vec![]),
            refusal(vec![split(1, 2), leaf(0.0)]),
            refusal(vec![split(1, 1), leaf(0.0)]),
            refusal(vec![split(0, 1), leaf(0.0)]),
            refusal(vec![split(1, 2), split(2, 3), leaf(0.0), leaf(0.0)]),
            refusal(vec![leaf(0.0), split(2, 3), split(1, 3), leaf(0.0)]),
            refusal(vec![split(2, 1), leaf(0.0), leaf(0.0)]),
        ];
        insta::assert_snapshot!(cases.join("\n"), @"
        there are no nodes
        node 0 has child 2, but there are 2 nodes
        node 1 has more than one parent
        the root is the child of node 0
        node 2 has more than one parent
        node 1 cannot be reached from the root
        node 0 has children 2 and 1, but XGBoost takes the right child to follow the left one
        ");
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let node = Node::Split {
            feature: 0,
            threshold: f32::NAN,
            default_left: true,
            left: 1,
            right: 2,
            gain: 0.0,
            cover: 0.0,
        };
        let cases =
            [refusal(vec![node, leaf(0.0), leaf(0.0)]), refusal(vec![split(1, 2), leaf(0.0), leaf(f32::INFINITY)])];
        insta::assert_snapshot!(cases.join("\n"), @"
        the threshold of node 0 is not finite
        the value of node 2 is not finite
        ");
    }

    #[test]
    fn a_threshold_just_above_an_f32_is_rounded_up() {
        let threshold = 0.1_f32;
        assert_eq!(threshold_from_f64(f64::from(threshold)), threshold);
        assert_eq!(threshold_from_f64(f64::from(threshold) + 1e-12), threshold.next_up());
        assert_eq!(threshold_from_f64(f64::from(threshold) - 1e-12), threshold);
    }

    proptest! {
        #[test]
        fn a_rounded_threshold_decides_as_the_f64_did(value: f32, offset in -3_i32..4, share in 0.0_f64..1.0) {
            let near = f32::from_bits(value.to_bits().saturating_add_signed(offset));
            prop_assume!(value.is_finite() && near.is_finite());
            let (low, high) = (f64::from(near), f64::from(near.next_up()));
            prop_assume!(high.is_finite());
            let threshold = low + (high - low) * share;
            prop_assert_eq!(value < threshold_from_f64(threshold), f64::from(value) < threshold);
        }
    }
}
