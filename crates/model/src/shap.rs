//! What each feature adds to a margin: Shapley values over the paths of trees.
//!
//! The values are those of Lundberg et al., "Consistent Individualized Feature Attribution for Tree Ensembles" (2018),
//! algorithm 2, which is `XGBoost`'s `pred_contribs`: a feature that is not known is averaged over by the share of
//! training rows, by cover, that went either way.
//!
//! Their algorithm extends and unwinds sums over subsets, and loses digits with every level. Here the same weights come
//! from an integral: with `o` the share of a path's leaf that a known feature lets through (0 or 1), and `z` that of an
//! unknown one, a feature's value is its leaf times `(o - z)` times the integral from 0 to 1 of the product of
//! `o t + z (1 - t)` over the path's other features. A Gauss-Legendre sum of half as many points as there are features
//! gives the integral of that polynomial exactly, no term is negative, and sums of leaves can be taken on the way up,
//! so that every edge is looked at once.

use std::f64::consts::PI;

use crate::tree::{DEPTH_LIMIT, Node, Tree};

/// The most points in a sum: exact for 512 features on a path, and to the last digits of an f64 for [`DEPTH_LIMIT`].
const POINTS_LIMIT: usize = 256;

/// Below it a share is 0, so that nothing is divided by what may become 0.
const SHARE_LIMIT: f64 = 1e-280;

/// What can be known of a model's trees before there is a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Explainer {
    /// What the trees give on average.
    mean: f64,
    /// How many points a sum has: 4 times a power of two.
    points: usize,
    /// Estimates the work for a row.
    steps: u64,
}

/// Where a sum looks, and how much that counts.
struct Rule<const N: usize> {
    at: [f64; N],
    weight: [f64; N],
}

/// A node on the way down, and the edge that leads to it.
struct Frame<const N: usize> {
    node: u32,
    /// How many children are done.
    done: u8,
    feature: u32,
    /// The nearest frame above whose edge asked for the same feature; else the root's, whose shares are 1.
    outer: u32,
    /// Shares that come through if the feature is known, and if not; edges above for the same feature included.
    known: f64,
    unknown: f64,
    /// One over the edge's factor.
    inverse: [f64; N],
    /// The factors of all features on the way.
    product: [f64; N],
    /// The leaves below, each times its product.
    sum: [f64; N],
}

impl Explainer {
    pub(crate) fn new(trees: &[Tree], features: usize) -> Self {
        let (mut mean, mut depth, mut nodes) = (0.0, 0, 0);
        for tree in trees {
            let (tree_mean, tree_depth) = mean_and_depth(tree.nodes());
            mean += tree_mean;
            depth = depth.max(tree_depth);
            nodes += tree.nodes().len();
        }
        let points = depth.min(features).div_ceil(2).next_power_of_two().clamp(4, POINTS_LIMIT);
        Self { mean, points, steps: nodes as u64 * points as u64 + features as u64 }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.mean
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Adds to each feature's place what the feature contributes to the sum of the trees.
    pub(crate) fn add_to(&self, contributions: &mut [f64], trees: &[Tree], row: &[f32]) {
        let explain = match self.points {
            ..=4 => explain::<4>,
            5..=8 => explain::<8>,
            9..=16 => explain::<16>,
            17..=32 => explain::<32>,
            33..=64 => explain::<64>,
            65..=128 => explain::<128>,
            _ => explain::<POINTS_LIMIT>,
        };
        explain(contributions, trees, row);
    }
}

/// Divides rows among a split's children: by cover, as `XGBoost` does.
///
/// Where a cover is 0, `XGBoost` divides by it, and every contribution of the tree becomes NaN. Nobody is told why, so
/// here the children get a half each. No child gets more than all or less than nothing.
fn shares(cover: f32, children: [&Node; 2]) -> [f64; 2] {
    let cover = f64::from(cover);
    children.map(|child| if cover > 0.0 { (f64::from(child.cover()) / cover).clamp(0.0, 1.0) } else { 0.5 })
}

fn mean_and_depth(nodes: &[Node]) -> (f64, usize) {
    let (mut mean, mut deepest) = (0.0, 0);
    let mut open = vec![(0_u32, 1.0, 0)];
    while let Some((node, weight, depth)) = open.pop() {
        match nodes[node as usize] {
            Node::Leaf { value, .. } => {
                mean += weight * f64::from(value);
                deepest = deepest.max(depth);
            }
            Node::Split { left, right, cover, .. } => {
                let [to_left, to_right] = shares(cover, [left, right].map(|child| &nodes[child as usize]));
                open.extend([(left, weight * to_left, depth + 1), (right, weight * to_right, depth + 1)]);
            }
        }
    }
    debug_assert!(deepest <= DEPTH_LIMIT, "a tree is checked when it is made");
    (mean, deepest)
}

fn explain<const N: usize>(contributions: &mut [f64], trees: &[Tree], row: &[f32]) {
    let rule = Rule::<N>::new();
    let mut frames = Vec::new();
    // For each feature the lowest frame on the way whose edge asked for it.
    let mut last = vec![0; contributions.len()];
    for tree in trees.iter().filter(|tree| tree.nodes().len() > 1) {
        frames.push(Frame::root());
        walk(&rule, tree.nodes(), row, &mut frames, &mut last, contributions);
    }
}

/// Goes through a tree, depth first, without recursion: a tree may be deeper than a stack.
fn walk<const N: usize>(
    rule: &Rule<N>,
    nodes: &[Node],
    row: &[f32],
    frames: &mut Vec<Frame<N>>,
    last: &mut [u32],
    contributions: &mut [f64],
) {
    while let Some(top) = frames.last_mut() {
        match nodes[top.node as usize] {
            Node::Split { feature, threshold, default_left, left, right, cover, .. } if top.done < 2 => {
                let value = row.get(feature as usize).copied().unwrap_or(f32::NAN);
                let goes_left = if value.is_nan() { default_left } else { value < threshold };
                let shares = shares(cover, [left, right].map(|child| &nodes[child as usize]));
                let which = usize::from(top.done);
                top.done += 1;
                let outer = last[feature as usize];
                let edge = &frames[outer as usize];
                let known = if goes_left == (which == 0) { edge.known } else { 0.0 };
                let unknown = edge.unknown * shares[which];
                // A leaf that comes through in neither case adds nothing.
                if known > 0.0 || unknown > SHARE_LIMIT {
                    let node = [left, right][which];
                    last[feature as usize] = frames.len() as u32;
                    let product = &frames[frames.len() - 1].product;
                    let step = Step { node, feature, outer, known, unknown };
                    frames.push(Frame::below(rule, product, edge, &step));
                }
                continue;
            }
            Node::Split { .. } => {}
            Node::Leaf { value, .. } => top.sum = top.product.map(|product| product * f64::from(value)),
        }
        let Some(ended) = frames.pop() else { break };
        let Some(parent) = frames.last_mut() else { break };
        for (sum, add) in parent.sum.iter_mut().zip(&ended.sum) {
            *sum += add;
        }
        contributions[ended.feature as usize] += rule.integral(&ended, &frames[ended.outer as usize]);
        last[ended.feature as usize] = ended.outer;
    }
}

/// The way from a node to a child.
struct Step {
    node: u32,
    feature: u32,
    outer: u32,
    known: f64,
    unknown: f64,
}

impl<const N: usize> Frame<N> {
    fn root() -> Self {
        let ones = [1.0; N];
        Self {
            node: 0,
            done: 0,
            feature: 0,
            outer: 0,
            known: 1.0,
            unknown: 1.0,
            inverse: ones,
            product: ones,
            sum: [0.0; N],
        }
    }

    fn below(rule: &Rule<N>, product: &[f64; N], outer: &Self, step: &Step) -> Self {
        let Step { node, feature, outer: outer_at, known, unknown } = *step;
        let (mut inverse, mut below) = ([0.0; N], [0.0; N]);
        for point in 0..N {
            let factor = known * rule.at[point] + unknown * (1.0 - rule.at[point]);
            inverse[point] = 1.0 / factor;
            below[point] = product[point] * factor * outer.inverse[point];
        }
        Self { node, done: 0, feature, outer: outer_at, known, unknown, inverse, product: below, sum: [0.0; N] }
    }
}

impl<const N: usize> Rule<N> {
    /// Finds the roots of the Legendre polynomial of degree N by Newton's method, and moves them from [-1, 1] to [0, 1].
    fn new() -> Self {
        /// It doubles the digits at every turn, from two.
        const TURNS: usize = 6;
        let mut rule = Self { at: [0.0; N], weight: [0.0; N] };
        for point in 0..N {
            let mut root = (PI * (point as f64 + 0.75) / (N as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..TURNS {
                let (value, value_below) = legendre(N, root);
                slope = N as f64 * (root * value - value_below) / (root * root - 1.0);
                root -= value / slope;
            }
            rule.at[point] = 0.5 * (1.0 + root);
            rule.weight[point] = 1.0 / ((1.0 - root * root) * slope * slope);
        }
        rule
    }

    /// Gives what the leaves below an edge add to its feature, less what the outer edge will add for them.
    fn integral(&self, edge: &Frame<N>, outer: &Frame<N>) -> f64 {
        let (gain, outer_gain) = (edge.known - edge.unknown, outer.known - outer.unknown);
        let terms = (0..N).map(|point| {
            self.weight[point] * edge.sum[point] * (gain * edge.inverse[point] - outer_gain * outer.inverse[point])
        });
        terms.sum()
    }
}

/// Gives the Legendre polynomials of a degree and of the one below it, at `x`.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut value, mut below) = (1.0, 0.0);
    for n in 0..degree {
        let n = n as f64;
        (value, below) = (((2.0 * n + 1.0) * x * value - n * below) / (n + 1.0), value);
    }
    (value, below)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
