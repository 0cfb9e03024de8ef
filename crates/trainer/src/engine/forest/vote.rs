//! One tree of a forest, made the same whenever it is fitted.

use std::cmp::Ordering;

use linfa::dataset::DatasetBase;
use linfa_trees::{DecisionTree, TreeNode};
use model::{Node, TreeError, threshold_from_f64};
use ndarray::{Array1, Array2, ArrayView1};

/// A tree whose leaves vote.
pub(super) struct VotingTree {
    /// The root first.
    nodes: Vec<Voting>,
}

enum Voting {
    Split { feature: usize, threshold: f64, left: usize, right: usize, gain: f32, cover: f32 },
    Leaf { vote: bool, cover: f32 },
}

/// A part of a fitted tree with the rows that it was fitted on counted in.
enum Branch {
    Split { feature: usize, threshold: f64, gain: f32, sides: Box<[Branch; 2]> },
    Leaf(Rows),
}

/// How much the rows of either class weigh.
#[derive(Clone, Copy)]
struct Rows {
    negative: f32,
    positive: f32,
}

impl Rows {
    /// What most rows are, if there is such a class.
    fn majority(self) -> Option<bool> {
        match self.positive.total_cmp(&self.negative) {
            Ordering::Less => Some(false),
            Ordering::Equal => None,
            Ordering::Greater => Some(true),
        }
    }

    fn and(self, other: Self) -> Self {
        Self { negative: self.negative + other.negative, positive: self.positive + other.positive }
    }

    fn weight(self) -> f32 {
        self.negative + self.positive
    }
}

impl VotingTree {
    /// Takes over a tree of linfa's; `translate` gives the feature and threshold that a column and threshold stand for.
    ///
    /// In a leaf with as many rows of either class linfa votes at random, by the order of a hash map, and then joins
    /// neighbours that vote alike, so that fitting twice gives two trees. Counted out, both become the same one: a leaf
    /// without a majority votes as the leaf beside it does, whether linfa joined them or not, and else against.
    pub(super) fn of(
        fitted: &DecisionTree<f64, bool>,
        rows: &DatasetBase<Array2<f64>, Array1<bool>>,
        translate: impl Fn(usize, f64) -> (usize, f64),
    ) -> Self {
        let all = (0..rows.targets().len()).collect();
        let mut tree = Self { nodes: Vec::new() };
        let root = tree.keep();
        tree.put(root, &branch(fitted.root_node(), rows, all, &translate));
        tree
    }

    /// A tree that votes for the positive class whatever the row.
    #[cfg(test)]
    pub(super) fn unanimous() -> Self {
        Self { nodes: vec![Voting::Leaf { vote: true, cover: 1.0 }] }
    }

    /// Whether the tree is for the positive class.
    pub(super) fn vote(&self, row: ArrayView1<f64>) -> bool {
        let mut at = 0;
        loop {
            match &self.nodes[at] {
                Voting::Leaf { vote, .. } => return *vote,
                Voting::Split { feature, threshold, left, right, .. } => {
                    at = if row[*feature] < *threshold { *left } else { *right };
                }
            }
        }
    }

    /// The same tree, a vote for the positive class being worth `share`.
    ///
    /// A missing value, of which none was trained on, goes where more of the training rows went.
    pub(super) fn export(&self, share: f32) -> Result<model::Tree, TreeError> {
        let nodes = self.nodes.iter().map(|it| match it {
            Voting::Leaf { vote, cover } => Node::Leaf { value: if *vote { share } else { 0.0 }, cover: *cover },
            Voting::Split { feature, threshold, left, right, gain, cover } => Node::Split {
                feature: *feature as u32,
                threshold: threshold_from_f64(*threshold),
                default_left: self.nodes[*left].cover() >= self.nodes[*right].cover(),
                left: *left as u32,
                right: *right as u32,
                gain: *gain,
                cover: *cover,
            },
        });
        model::Tree::new(nodes.collect())
    }

    /// Puts a branch at a position that is kept for it.
    ///
    /// A right child stands next to its left one: `XGBoost` finds it there, whatever the file says about it.
    fn put(&mut self, at: usize, branch: &Branch) {
        match branch {
            Branch::Leaf(rows) => {
                self.nodes[at] = Voting::Leaf { vote: rows.majority() == Some(true), cover: rows.weight() };
            }
            Branch::Split { feature, threshold, gain, sides } => {
                let (feature, threshold, gain) = (*feature, *threshold, *gain);
                let (left, right) = (self.keep(), self.keep());
                self.put(left, &sides[0]);
                self.put(right, &sides[1]);
                let cover = self.nodes[left].cover() + self.nodes[right].cover();
                self.nodes[at] = Voting::Split { feature, threshold, left, right, gain, cover };
            }
        }
    }

    /// Keeps the next position.
    fn keep(&mut self) -> usize {
        self.nodes.push(Voting::Leaf { vote: false, cover: 0.0 });
        self.nodes.len() - 1
    }
}

impl Voting {
    fn cover(&self) -> f32 {
        match self {
            Self::Split { cover, .. } | Self::Leaf { cover, .. } => *cover,
        }
    }
}

/// As deep as trees may be, which is not deep.
fn branch(
    node: &TreeNode<f64, bool>,
    data: &DatasetBase<Array2<f64>, Array1<bool>>,
    rows: Vec<usize>,
    translate: &impl Fn(usize, f64) -> (usize, f64),
) -> Branch {
    let children = node.children();
    let (Some(left), Some(right), false) = (&children[0], &children[1], node.is_leaf()) else {
        return Branch::Leaf(count(data, &rows));
    };
    let (column, split, decrease) = node.split();
    let weight = count(data, &rows).weight();
    let (on_left, on_right): (Vec<usize>, Vec<usize>) =
        rows.into_iter().partition(|row| data.records()[(*row, column)] < split);
    let sides = [branch(left, data, on_left, translate), branch(right, data, on_right, translate)];
    if let [Branch::Leaf(left), Branch::Leaf(right)] = &sides
        && (left.majority() == right.majority() || left.majority().is_none() || right.majority().is_none())
    {
        return Branch::Leaf(left.and(*right));
    }
    let (feature, threshold) = translate(column, split);
    Branch::Split { feature, threshold, gain: decrease as f32 * weight, sides: Box::new(sides) }
}

fn count(data: &DatasetBase<Array2<f64>, Array1<bool>>, rows: &[usize]) -> Rows {
    rows.iter().fold(Rows { negative: 0.0, positive: 0.0 }, |sum, row| {
        let weight = data.weight_for(*row);
        let of_row = if data.targets()[*row] {
            Rows { negative: 0.0, positive: weight }
        } else {
            Rows { negative: weight, positive: 0.0 }
        };
        sum.and(of_row)
    })
}
