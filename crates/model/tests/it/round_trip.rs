//! What is written is read back as the same model, and both scores and bytes stay the same.

use model::{Model, Node, Tree};
use proptest::prelude::*;
use serde_json::Value;

use crate::ubjson;

const FEATURES: usize = 4;

fn names() -> Vec<String> {
    ["V1", "V2", "V3", "Betrag €"].map(str::to_owned).to_vec()
}

fn finite() -> impl Strategy<Value = f32> {
    prop_oneof![any::<f32>().prop_filter("finite", |number| number.is_finite()), -2.0_f32..2.0]
}

/// A row in which anything may stand, NaN included.
fn row() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(prop_oneof![any::<f32>(), -2.0_f32..2.0, Just(f32::NAN)], FEATURES)
}

/// Grows a tree by splitting a leaf anywhere, again and again.
fn tree() -> impl Strategy<Value = Tree> {
    let step = (any::<prop::sample::Index>(), 0..FEATURES as u32, finite(), any::<bool>(), finite(), finite());
    (finite(), prop::collection::vec(step, 0..20)).prop_map(|(root, steps)| {
        let mut nodes = vec![Node::Leaf { value: root, cover: 1.0 }];
        let mut leaves = vec![0];
        for (which, feature, threshold, default_left, low, high) in steps {
            let at = leaves.swap_remove(which.index(leaves.len()));
            let (left, right) = (nodes.len() as u32, nodes.len() as u32 + 1);
            nodes[at] = Node::Split { feature, threshold, default_left, left, right, gain: 0.5, cover: 2.0 };
            leaves.extend([nodes.len(), nodes.len() + 1]);
            nodes.extend([low, high].map(|value| Node::Leaf { value, cover: 1.0 }));
        }
        Tree::new(nodes).unwrap()
    })
}

fn linear() -> impl Strategy<Value = Model> {
    (prop::collection::vec(finite(), FEATURES), finite())
        .prop_map(|(weights, bias)| Model::linear(&names(), weights, bias).unwrap())
}

fn boosted() -> impl Strategy<Value = Model> {
    (finite(), prop::collection::vec(tree(), 0..6))
        .prop_map(|(margin, trees)| Model::boosted(&names(), margin, trees).unwrap())
}

/// Follows a row through the nodes as they were given, in the plainest way.
fn plain_margin(base_margin: f32, trees: &[Tree], row: &[f32]) -> f32 {
    trees.iter().fold(base_margin, |sum, tree| {
        let mut at = 0;
        loop {
            match tree.nodes()[at] {
                Node::Leaf { value, .. } => return sum + value,
                Node::Split { feature, threshold, default_left, left, right, .. } => {
                    let value = row[feature as usize];
                    let goes_left = if value.is_nan() { default_left } else { value < threshold };
                    at = if goes_left { left } else { right } as usize;
                }
            }
        }
    })
}

proptest! {
    #[test]
    fn a_written_model_scores_as_before(
        model in prop_oneof![boosted(), linear()],
        rows in prop::collection::vec(row(), 20),
    ) {
        let json = model.to_json();
        let from_json = Model::read(&json).unwrap();
        let value: Value = serde_json::from_slice(&json).unwrap();
        let from_ubj = Model::read(&ubjson::encode(&value)).unwrap();
        for row in rows {
            prop_assert_eq!(from_json.margin(&row).to_bits(), model.margin(&row).to_bits());
            prop_assert_eq!(from_json.score(&row).to_bits(), model.score(&row).to_bits());
            prop_assert_eq!(from_ubj.score(&row).to_bits(), model.score(&row).to_bits());
        }
        prop_assert_eq!(from_json.feature_names(), model.feature_names());
        prop_assert_eq!(from_json.early_stop(), None);
        prop_assert!(!from_json.needs_rewrite_for(1, 3), "what is written is read by every release");
        prop_assert_eq!(from_ubj.to_json(), &json[..]);
        prop_assert_eq!(from_json.to_json(), json);
    }

    #[test]
    fn trees_are_walked_as_they_were_given(
        margin in -5.0_f32..5.0,
        trees in prop::collection::vec(tree(), 1..4),
        row in row(),
    ) {
        let model = Model::boosted(&names(), margin, trees.clone()).unwrap();
        prop_assert_eq!(model.margin(&row).to_bits(), plain_margin(margin, &trees, &row).to_bits());
    }

    #[test]
    fn bytes_that_were_tampered_with_never_panic(
        model in boosted(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        row in row(),
    ) {
        let value: Value = serde_json::from_slice(&model.to_json()).unwrap();
        for mut bytes in [model.to_json(), ubjson::encode(&value)] {
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            if let Ok(model) = Model::read(&bytes) {
                model.score(&row[..FEATURES.min(model.features())]);
            }
        }
    }
}

#[test]
fn a_short_row_lacks_its_last_features() {
    let split =
        Node::Split { feature: 3, threshold: 0.0, default_left: true, left: 1, right: 2, gain: 0.0, cover: 0.0 };
    let leaves = [1.0, 2.0].map(|value| Node::Leaf { value, cover: 0.0 });
    let tree = Tree::new(vec![split, leaves[0], leaves[1]]).unwrap();
    let model = Model::boosted(&names(), 0.0, vec![tree]).unwrap();
    assert_eq!(model.margin(&[9.0, 9.0, 9.0, 9.0]), 2.0);
    assert_eq!(model.margin(&[9.0, 9.0, 9.0]), 1.0);
    assert_eq!(model.margin(&[9.0, 9.0, 9.0, f32::NAN]), 1.0);
}

#[test]
fn another_start_becomes_a_constant_first_tree() {
    let model = Model::boosted(&["a".to_owned()], -1.5, vec![Tree::constant(0.25).unwrap()]).unwrap();
    insta::assert_snapshot!(String::from_utf8(model.to_json()).unwrap(), @r#"{"learner":{"attributes":{},"feature_names":["a"],"feature_types":[],"gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"2","size_leaf_vector":"0"},"tree_info":[0,0],"trees":[{"base_weights":[-1.5E0],"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],"default_left":[false],"id":0,"left_children":[-1],"loss_changes":[0E0],"parents":[2147483647],"right_children":[-1],"split_conditions":[-1.5E0],"split_indices":[0],"split_type":[0],"sum_hessian":[0E0],"tree_param":{"num_deleted":"0","num_feature":"1","num_nodes":"1","size_leaf_vector":"0"}},{"base_weights":[2.5E-1],"categories":[],"categories_nodes":[],"categories_segments":[],"categories_sizes":[],"default_left":[false],"id":1,"left_children":[-1],"loss_changes":[0E0],"parents":[2147483647],"right_children":[-1],"split_conditions":[2.5E-1],"split_indices":[0],"split_type":[0],"sum_hessian":[0E0],"tree_param":{"num_deleted":"0","num_feature":"1","num_nodes":"1","size_leaf_vector":"0"}}]},"name":"gbtree"},"learner_model_param":{"base_score":"5E-1","boost_from_average":"1","num_class":"0","num_feature":"1","num_target":"1"},"objective":{"name":"binary:logistic","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[1,7,6]}"#);
}

#[test]
fn a_model_without_trees_gets_one_that_adds_nothing() {
    let model = Model::boosted(&["a".to_owned()], 0.0, vec![]).unwrap();
    let read = Model::read(&model.to_json()).unwrap();
    assert_eq!(read.trees(), [Tree::constant(0.0).unwrap()]);
    assert_eq!(read.score(&[1.0]), 0.5);
}

#[test]
fn a_linear_model_is_its_weights_and_then_its_bias() {
    let model = Model::linear(&["a".to_owned(), "b".to_owned()], vec![0.1, -2.0], 1e-9).unwrap();
    insta::assert_snapshot!(String::from_utf8(model.to_json()).unwrap(), @r#"{"learner":{"attributes":{},"feature_names":["a","b"],"feature_types":[],"gradient_booster":{"model":{"boosted_rounds":1,"weights":[1E-1,-2E0,1E-9]},"name":"gblinear"},"learner_model_param":{"base_score":"5E-1","boost_from_average":"1","num_class":"0","num_feature":"2","num_target":"1"},"objective":{"name":"binary:logistic","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[1,7,6]}"#);
}
