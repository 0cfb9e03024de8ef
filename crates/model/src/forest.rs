//! Trees laid out for scoring: one list of twelve-byte nodes, the children of a split side by side.

use crate::error::ModelError;
use crate::tree::{Node, Tree};

/// The bit of [`Flat::feature`] that says where missing values go.
const DEFAULT_LEFT: u32 = 1 << 31;

/// All trees of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Forest {
    nodes: Vec<Flat>,
    roots: Vec<u32>,
}

/// A split or a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flat {
    /// The threshold of a split, the value of a leaf.
    number: f32,
    /// The feature of a split, with [`DEFAULT_LEFT`].
    feature: u32,
    /// The left child, directly before the right one; 0, which is a root, marks a leaf.
    left: u32,
}

impl Forest {
    /// Lays out trees whose features were checked.
    pub(crate) fn new(trees: &[Tree]) -> Result<Self, ModelError> {
        let count = trees.iter().map(|tree| tree.nodes().len()).sum::<usize>();
        if u32::try_from(count).is_err() {
            return Err(ModelError::TooManyNodes);
        }
        let mut forest = Self { nodes: Vec::with_capacity(count), roots: Vec::with_capacity(trees.len()) };
        for tree in trees {
            forest.push(tree);
        }
        Ok(forest)
    }

    /// Adds the leaves that a row reaches to a margin, in the order of the trees, as `XGBoost` does.
    ///
    /// f32 addition is not associative: another order gives other last bits.
    pub(crate) fn add_to(&self, margin: f32, row: &[f32]) -> f32 {
        self.roots.iter().fold(margin, |sum, root| sum + self.leaf(*root, row))
    }

    fn leaf(&self, root: u32, row: &[f32]) -> f32 {
        let mut node = self.nodes[root as usize];
        while node.left != 0 {
            // A row that is too short lacks its last features, as in XGBoost.
            let value = row.get((node.feature & !DEFAULT_LEFT) as usize).copied().unwrap_or(f32::NAN);
            let left = if value.is_nan() { node.feature & DEFAULT_LEFT != 0 } else { value < node.number };
            node = self.nodes[(node.left + u32::from(!left)) as usize];
        }
        node.number
    }

    fn push(&mut self, tree: &Tree) {
        let first = self.nodes.len();
        self.roots.push(first as u32);
        // Breadth first: a node's children are appended together when the node itself is placed.
        let mut order = Vec::with_capacity(tree.nodes().len());
        order.push(0_u32);
        let mut placed = 0;
        while placed < order.len() {
            let flat = match tree.nodes()[order[placed] as usize] {
                Node::Split { feature, threshold, default_left, left, right, .. } => {
                    let child = (first + order.len()) as u32;
                    order.extend([left, right]);
                    let feature = if default_left { feature | DEFAULT_LEFT } else { feature };
                    Flat { number: threshold, feature, left: child }
                }
                Node::Leaf { value, .. } => Flat { number: value, feature: 0, left: 0 },
            };
            self.nodes.push(flat);
            placed += 1;
        }
    }
}
