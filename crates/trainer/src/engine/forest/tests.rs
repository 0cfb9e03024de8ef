use linfa::traits::Predict;

use super::*;

/// Rows of four columns, the second of tiny numbers; the label follows the first two, but not always.
fn rows() -> Rows {
    let mut random = Random::new(*b"test    ", 3);
    let mut number = || random.below(200) as f32 / 200.0;
    let values = Array2::from_shape_fn((1000, 4), |(_, column)| f64::from(number() * [1.0, 1e-7, 1e3, 1.0][column]));
    let labels =
        values.rows().into_iter().map(|it| it[0] * 0.4 + it[1] * 4e6 + f64::from(number()) * 0.4 > 0.7).collect();
    Rows::new(values, labels)
}

fn features() -> Vec<String> {
    ["a", "b", "c", "d"].map(str::to_owned).to_vec()
}

fn small() -> RandomForest {
    RandomForest { trees: 15, depth: 5, ..RandomForest::default() }
}

fn fit_on(threads: usize, parameters: RandomForest) -> Forest {
    Checked { parameters, features: features(), threads: Some(threads) }.fit(&rows()).unwrap()
}

fn fit(parameters: RandomForest) -> Forest {
    fit_on(2, parameters)
}

fn bytes(forest: &Forest) -> Vec<u8> {
    forest.export(&features()).unwrap().to_json()
}

#[test]
fn one_thread_and_many_give_the_same_bytes() {
    let bytes = [1, 1, 1, 2, 2, 5].map(|threads| bytes(&fit_on(threads, small())));
    assert!(bytes.iter().all(|it| *it == bytes[0]));
}

#[test]
fn another_seed_gives_another_forest() {
    let [one, other] = [1, 2].map(|seed| bytes(&fit(RandomForest { seed, ..small() })));
    assert_ne!(one, other);
}

#[test]
fn a_forest_learns_even_from_a_feature_of_tiny_numbers() {
    let rows = rows();
    let forest = fit(RandomForest { trees: 50, ..small() });
    let scores: Array1<f64> = forest.predict(rows.records());
    let right = scores.iter().zip(rows.targets()).filter(|(score, label)| (**score > 0.5) == **label).count();
    assert!(right > 800, "only {right} of 1000 are right");
    let model = forest.export(&features()).unwrap();
    let splits = model.trees().iter().flat_map(model::Tree::nodes);
    let tiny = splits.filter(|it| matches!(it, model::Node::Split { feature: 1, .. })).count();
    assert!(tiny > 50, "{tiny}");
}

#[test]
fn the_score_of_the_written_model_is_the_share_of_votes() {
    let rows = rows();
    for trees in [1, 3, 15, 100, 257] {
        let forest = fit(RandomForest { trees, depth: 4, ..small() });
        let model = Model::read(&bytes(&forest)).unwrap();
        let shares: Array1<f64> = forest.predict(rows.records());
        for (row, share) in rows.records().rows().into_iter().zip(shares) {
            let votes = forest.trees.iter().filter(|it| it.vote(row)).count();
            assert!((share - votes as f64 / f64::from(trees)).abs() < f64::EPSILON);
            let row: Vec<f32> = row.iter().map(|it| *it as f32).collect();
            let written = model.score(&row);
            assert!((0.0..=1.0).contains(&written) && (f64::from(written) - share).abs() <= 1e-6, "{written} {share}");
            if votes == 0 || votes == trees as usize {
                assert_eq!(f64::from(written).to_bits(), share.to_bits());
            }
        }
    }
}

/// The leaves add up to 1 without rounding, in whatever order.
#[test]
fn the_votes_of_all_trees_are_worth_exactly_1() {
    for trees in [1, 7, 100, 999, 1000] {
        let forest = Forest { trees: (0..trees).map(|_| vote::VotingTree::unanimous()).collect() };
        let model = forest.export(&features()).unwrap();
        assert_eq!(model.score(&[0.0; 4]).to_bits(), 1.0_f32.to_bits(), "{trees}");
    }
}

/// Measured with `XGBoost` 3.2.0 and 1.7.4: they look for the right child beside the left one, not where the file says.
#[test]
fn a_right_child_stands_beside_the_left_one() {
    let model = fit(small()).export(&features()).unwrap();
    for node in model.trees().iter().flat_map(model::Tree::nodes) {
        if let model::Node::Split { left, right, .. } = node {
            assert_eq!(*right, left + 1);
        }
    }
}

#[test]
fn a_tree_votes_as_linfas_own() {
    let rows = rows();
    let ranks: Vec<Ranks> = rows.records().columns().into_iter().map(Ranks::of).collect();
    let places = Array2::from_shape_fn(rows.records().raw_dim(), |(row, column)| ranks[column].of_row(row));
    // Fewer than 1024 positive rows that weigh a 1024th more than the others: no leaf is without a majority.
    let weights = rows.targets().mapv(|label| if label { 1.0 + 1.0 / 1024.0 } else { 1.0 });
    let dataset = DatasetBase::new(places, rows.targets().clone()).with_weights(weights);
    for depth in 1..8 {
        let fitted = DecisionTreeParams::<f64, bool>::new().max_depth(Some(depth)).fit(&dataset).unwrap();
        let tree = VotingTree::of(&fitted, &dataset, |column, place| (column, ranks[column].threshold(place)));
        let linfas = fitted.predict(dataset.records());
        let mut votes = rows.records().rows().into_iter().map(|row| tree.vote(row)).zip(linfas);
        assert!(votes.all(|(vote, linfas)| vote == linfas), "depth {depth}");
    }
}

#[test]
fn a_leaf_without_a_majority_votes_the_same_way_each_time() {
    // Pairs of rows that no feature tells apart, one of either label.
    let values = Array2::from_shape_fn((400, 4), |(row, _)| (row / 2 % 50) as f64);
    let undecided = Rows::new(values, (0..400).map(|row| row % 2 == 0).collect());
    let forests = [(); 8].map(|()| {
        let checked = Checked { parameters: small(), features: features(), threads: Some(2) };
        bytes(&checked.fit(&undecided).unwrap())
    });
    assert!(forests.iter().all(|it| *it == forests[0]));
}

#[test]
fn every_parameter_bounds_what_it_says() {
    let leaves = |forest: &Forest| {
        let model = forest.export(&features()).unwrap();
        let nodes: Vec<model::Node> = model.trees().iter().flat_map(|it| it.nodes().to_vec()).collect();
        let covers = nodes.iter().filter_map(|it| match it {
            model::Node::Leaf { cover, .. } => Some(*cover),
            model::Node::Split { .. } => None,
        });
        covers.collect::<Vec<f32>>()
    };
    let of_tree = |forest: &Forest| leaves(forest).iter().sum::<f32>() / forest.trees.len() as f32;
    assert!((of_tree(&fit(small())) - 1000.0).abs() < 1e-3);
    assert!((of_tree(&fit(RandomForest { row_sample: 0.3, ..small() })) - 300.0).abs() < 1e-3);
    assert!(leaves(&fit(RandomForest { min_leaf_rows: 50, ..small() })).iter().all(|it| *it >= 50.0));
    let stumps = fit(RandomForest { depth: 1, ..small() }).export(&features()).unwrap();
    assert!(stumps.trees().iter().all(|it| it.nodes().len() <= 3));
    let narrow = fit(RandomForest { column_sample: 0.25, ..small() }).export(&features()).unwrap();
    for tree in narrow.trees() {
        let mut used: Vec<u32> = tree
            .nodes()
            .iter()
            .filter_map(|it| match it {
                model::Node::Split { feature, .. } => Some(*feature),
                model::Node::Leaf { .. } => None,
            })
            .collect();
        used.dedup();
        assert!(used.len() <= 1, "{used:?}");
    }
}

#[test]
fn a_threshold_lies_half_way_between_the_values_it_divides() {
    let ranks = Ranks::of(ndarray::aview1(&[3.0, -1.0, 3.0, 0.0, -0.0, 8.0]));
    let places = [0, 1, 3, 4, 5].map(|row| ranks.of_row(row).to_string());
    assert_eq!(places, ["2", "0", "1", "1", "3"]);
    let thresholds = [0.5, 1.0, 1.5, 2.5].map(|it| ranks.threshold(it).to_string());
    assert_eq!(thresholds, ["-0.5", "-0.5", "1.5", "5.5"]);
}

#[test]
fn a_missing_value_is_refused() {
    let mut rows = rows();
    rows.records[(3, 1)] = f64::NAN;
    let refusal = Unchecked::new(small(), &features()).check().unwrap().fit(&rows).err().unwrap();
    insta::assert_snapshot!(refusal, @"a random forest needs every value, and `b` is missing in 1 of the rows to train on; gradient boosting copes");
}

#[test]
fn a_parameter_out_of_its_range_is_refused() {
    let refusal = |change: fn(&mut RandomForest)| {
        let mut parameters = RandomForest::default();
        change(&mut parameters);
        Unchecked::new(parameters, &features()).check().unwrap_err().to_string()
    };
    let refusals = [
        refusal(|it| it.trees = 0),
        refusal(|it| it.depth = 33),
        refusal(|it| it.min_leaf_rows = 0),
        refusal(|it| it.row_sample = 0.0),
        refusal(|it| it.column_sample = f32::NAN),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @"
    `trees` is 0, it should be 1 to 1,000
    `depth` is 33, it should be 1 to 32
    `min-leaf-rows` is 0, it should be 1 to 1,000,000
    `row-sample` is 0, it should be above 0 and at most 1
    `column-sample` is NaN, it should be above 0 and at most 1
    ");
}
