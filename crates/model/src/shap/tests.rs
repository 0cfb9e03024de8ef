use proptest::prelude::*;

use super::*;
use crate::Model;

const FEATURES: usize = 4;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("f{index}")).collect()
}

fn leaf(value: f32, cover: f32) -> Node {
    Node::Leaf { value, cover }
}

fn split(feature: u32, left: u32, right: u32, cover: f32) -> Node {
    Node::Split { feature, threshold: 0.0, default_left: true, left, right, gain: 0.0, cover }
}

/// Gives the value of a tree when only some features are known, straight from its definition.
fn value_of(nodes: &[Node], at: u32, row: &[f32], known: u32) -> f64 {
    match nodes[at as usize] {
        Node::Leaf { value, .. } => f64::from(value),
        Node::Split { feature, threshold, default_left, left, right, cover, .. } => {
            let [to_left, to_right] = shares(cover, [&nodes[left as usize], &nodes[right as usize]]);
            if known >> feature & 1 == 0 {
                return to_left * value_of(nodes, left, row, known) + to_right * value_of(nodes, right, row, known);
            }
            let value = row[feature as usize];
            let goes_left = if value.is_nan() { default_left } else { value < threshold };
            value_of(nodes, if goes_left { left } else { right }, row, known)
        }
    }
}

/// Gives the Shapley values by going through every subset of the features.
fn by_definition(tree: &Tree, row: &[f32]) -> Vec<f64> {
    let factorial = |n: usize| (1..=n).map(|it| it as f64).product::<f64>();
    let gains = (0..FEATURES).map(|feature| {
        let others = (0..1_u32 << FEATURES).filter(|known| known >> feature & 1 == 0);
        let gains = others.map(|known| {
            let size = known.count_ones() as usize;
            let weight = factorial(size) * factorial(FEATURES - size - 1) / factorial(FEATURES);
            let gain = value_of(tree.nodes(), 0, row, known | 1 << feature) - value_of(tree.nodes(), 0, row, known);
            weight * gain
        });
        gains.sum()
    });
    gains.chain([value_of(tree.nodes(), 0, row, 0)]).collect()
}

/// Grows a tree by splitting a leaf anywhere, again and again; covers are whatever comes, 0 included.
fn tree() -> impl Strategy<Value = Tree> {
    let cover = prop_oneof![Just(0.0_f32), 0.0_f32..1.0];
    let step = (any::<prop::sample::Index>(), 0..FEATURES as u32, -1.0_f32..1.0, any::<bool>(), cover, -2.0_f32..2.0);
    (prop::collection::vec(step, 0..24)).prop_map(|steps| {
        let mut nodes = vec![leaf(0.5, 1.0)];
        let mut leaves = vec![0];
        for (which, feature, threshold, default_left, share, value) in steps {
            let at = leaves.swap_remove(which.index(leaves.len()));
            let (left, right) = (nodes.len() as u32, nodes.len() as u32 + 1);
            let cover = nodes[at].cover();
            nodes[at] = Node::Split { feature, threshold, default_left, left, right, gain: 0.0, cover };
            leaves.extend([nodes.len(), nodes.len() + 1]);
            nodes.extend([leaf(value, cover * share), leaf(-value, cover * (1.0 - share))]);
        }
        Tree::new(nodes).unwrap()
    })
}

proptest! {
    #[test]
    fn contributions_are_the_shapley_values_of_the_definition(
        tree in tree(),
        row in prop::collection::vec(prop_oneof![-1.0_f32..1.0, Just(f32::NAN)], FEATURES),
    ) {
        let model = Model::boosted(&names(FEATURES), 0.0, vec![tree.clone()]).unwrap();
        for (given, expected) in model.contributions(&row).iter().zip(by_definition(&tree, &row)) {
            prop_assert!((f64::from(*given) - expected).abs() < 1e-6, "{given} should be {expected}");
        }
    }

    #[test]
    fn contributions_add_up_to_the_margin(
        trees in prop::collection::vec(tree(), 0..8),
        margin in -2.0_f32..2.0,
        row in prop::collection::vec(prop_oneof![-1.0_f32..1.0, Just(f32::NAN)], 0..=FEATURES),
    ) {
        let model = Model::boosted(&names(FEATURES), margin, trees).unwrap();
        let sum = model.contributions(&row).iter().copied().map(f64::from).sum::<f64>();
        prop_assert!((sum - f64::from(model.margin(&row))).abs() < 1e-5);
    }
}

#[test]
fn a_feature_gets_what_it_changes_on_average() {
    let tree = Tree::new(vec![split(0, 1, 2, 4.0), leaf(-1.0, 3.0), leaf(3.0, 1.0)]).unwrap();
    let model = Model::boosted(&names(2), 0.5, vec![tree]).unwrap();
    // The mean is -1 * 3/4 + 3 * 1/4 = 0.
    assert_eq!(model.contributions(&[1.0, 9.0]), [3.0, 0.0, 0.5]);
    assert_eq!(model.contributions(&[f32::NAN, 9.0]), [-1.0, 0.0, 0.5]);
    assert_eq!(model.contributions(&[]), [-1.0, 0.0, 0.5]);
}

#[test]
fn a_tree_without_covers_counts_its_branches_alike() {
    let tree = Tree::new(vec![split(0, 1, 2, 0.0), leaf(-1.0, 0.0), leaf(3.0, 0.0)]).unwrap();
    let model = Model::boosted(&names(1), 0.0, vec![tree]).unwrap();
    assert_eq!(model.contributions(&[1.0]), [2.0, 1.0]);
}

#[test]
fn covers_that_cannot_be_give_numbers_all_the_same() {
    for covers in [[1e-45, f32::MAX, f32::MAX], [f32::MAX, 1e-45, 1e-45], [1.0, -1.0, 5.0], [-1.0, 1.0, 1.0]] {
        let [root, left, right] = covers;
        let tree = Tree::new(vec![split(0, 1, 2, root), leaf(-1.0, left), leaf(3.0, right)]).unwrap();
        let model = Model::boosted(&names(1), 0.0, vec![tree]).unwrap();
        let [first, bias] = model.contributions(&[1.0])[..] else { panic!("two numbers") };
        assert!(first.is_finite() && (first + bias - 3.0).abs() < 1e-6, "{covers:?} gave {first} and {bias}");
    }
}

/// A chain of splits, each with a leaf on the left; of one feature or of as many as it is deep.
fn chain(depth: u32, share: f32, feature_of: impl Fn(u32) -> u32) -> Tree {
    let mut nodes = Vec::new();
    let mut cover = 1.0;
    for level in 0..depth {
        nodes.push(split(feature_of(level), 2 * level + 1, 2 * level + 2, cover));
        nodes.push(leaf(-1.0, cover * (1.0 - share)));
        cover *= share;
    }
    nodes.push(leaf(1.0, cover));
    Tree::new(nodes).unwrap()
}

#[test]
fn the_deepest_tree_is_explained_to_the_last_digit() {
    let depth = DEPTH_LIMIT as u32;
    for share in [0.999_f32, 0.5, 0.001] {
        for (features, tree) in [(DEPTH_LIMIT, chain(depth, share, |it| it)), (1, chain(depth, share, |_| 0))] {
            let model = Model::boosted(&names(features), 0.0, vec![tree]).unwrap();
            for row in [vec![-1.0; features], vec![f32::NAN; features], vec![1.0; features]] {
                let sum = model.contributions(&row).iter().copied().map(f64::from).sum::<f64>();
                assert!((sum - f64::from(model.margin(&row))).abs() < 1e-5, "{share} {features} {sum}");
            }
        }
    }
}

#[test]
fn a_tree_deeper_than_the_limit_is_refused() {
    let nodes = chain(DEPTH_LIMIT as u32, 0.5, |_| 0).nodes().to_vec();
    let mut deeper = vec![split(0, 1, 2, 1.0), leaf(0.0, 1.0)];
    deeper.extend(nodes.into_iter().map(|node| match node {
        Node::Split { feature, left, right, cover, .. } => split(feature, left + 2, right + 2, cover),
        leaf @ Node::Leaf { .. } => leaf,
    }));
    insta::assert_snapshot!(Tree::new(deeper).unwrap_err(), @"there are more than 4096 splits on the way to a leaf");
}

#[test]
fn a_linear_model_gives_weight_times_value_and_nothing_for_what_is_missing() {
    let model = Model::linear(&names(3), vec![2.0, -1.0, 0.5], 0.25).unwrap();
    assert_eq!(model.contributions(&[1.5, f32::NAN, -4.0]), [3.0, 0.0, -2.0, 0.25]);
    assert_eq!(model.contributions(&[1.5]), [3.0, 0.0, 0.0, 0.25]);
}

#[test]
fn the_sums_integrate_polynomials_exactly() {
    fn error<const N: usize>() -> f64 {
        let rule = Rule::<N>::new();
        let integral = |power: usize| {
            let power = i32::try_from(power).unwrap();
            (0..N).map(|point| rule.weight[point] * rule.at[point].powi(power)).sum::<f64>()
        };
        (0..2 * N).map(|power| (integral(power) * (power + 1) as f64 - 1.0).abs()).fold(0.0, f64::max)
    }
    for error in [error::<4>(), error::<8>(), error::<16>(), error::<64>(), error::<256>()] {
        assert!(error < 1e-11, "{error}");
    }
}
