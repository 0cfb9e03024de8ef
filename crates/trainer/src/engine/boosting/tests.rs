use linfa::traits::Predict;
use ndarray::ShapeBuilder;

use super::*;
use crate::generate::Random;

/// Rows of five columns with ties and, in the third, missing values; wide apart in size.
fn rows() -> Rows {
    let mut random = Random::new(*b"test    ", 7);
    let count = 3000;
    let mut values = Vec::new();
    for scale in [1.0, 1e-3, 1e6, 1.0, 0.1_f32] {
        values.extend((0..count).map(|_| f64::from(random.below(1000) as f32 * scale / 7.0)));
    }
    values[2 * count..3 * count].iter_mut().step_by(3).for_each(|it| *it = f64::NAN);
    let values = Array2::from_shape_vec((count, 5).f(), values).unwrap();
    let labels = values.rows().into_iter().map(|it| it[0] > 100.0 && (it[2].is_nan() || it[4] > 5.0)).collect();
    Rows::new(values, labels)
}

/// Rows of three columns whose label follows the first and the second, but often enough does not: one in ten is true.
fn noisy() -> Rows {
    let mut random = Random::new(*b"test    ", 11);
    let mut number = || random.below(1000) as f64 / 1000.0;
    let values = Array2::from_shape_fn((2000, 3), |_| number());
    let labels = values.rows().into_iter().map(|it| it[0] * 0.5 + it[1] * 0.2 + number() * 0.6 > 0.95).collect();
    Rows::new(values, labels)
}

fn few_trees() -> GradientBoosting {
    GradientBoosting { trees: 20, ..GradientBoosting::default() }
}

fn stopping(trees: u32, rounds: u32) -> GradientBoosting {
    let early_stopping = Some(EarlyStopping { rounds, validation: 0.3 });
    GradientBoosting { trees, early_stopping, ..GradientBoosting::default() }
}

fn fit_on(threads: usize, parameters: GradientBoosting, rows: &Rows) -> Boosted {
    Checked { parameters, features: features(rows), threads: Some(threads) }.fit(rows).unwrap()
}

fn fit(parameters: GradientBoosting, rows: &Rows) -> Boosted {
    fit_on(2, parameters, rows)
}

fn features(rows: &Rows) -> Vec<String> {
    ["a", "b", "c", "d", "e"].map(str::to_owned)[..rows.records().ncols()].to_vec()
}

fn bytes(boosted: &Boosted, rows: &Rows) -> Vec<u8> {
    boosted.export(&features(rows)).unwrap().to_json()
}

fn leaves(boosted: &Boosted) -> impl Iterator<Item = f32> {
    boosted.trees.iter().flat_map(|tree| tree.nodes.iter().filter(|it| it.is_leaf).map(|it| it.weight_value))
}

#[test]
fn one_thread_and_many_give_the_same_bytes() {
    let sampled = GradientBoosting { subsample: 0.7, column_sample: 0.6, ..few_trees() };
    let few_rows = GradientBoosting { subsample: 0.2, class_weight: ClassWeight::Balanced, ..few_trees() };
    for parameters in [few_trees(), sampled, few_rows, stopping(50, 5)] {
        for rows in [rows(), noisy()] {
            let bytes = [1, 1, 2, 5].map(|threads| bytes(&fit_on(threads, parameters.clone(), &rows), &rows));
            assert!(bytes.iter().all(|it| *it == bytes[0]), "{parameters:?}");
        }
    }
}

#[test]
fn the_exported_model_decides_every_row_as_the_booster_does() {
    let rows = rows();
    let boosted = fit(few_trees(), &rows);
    let model = boosted.export(&features(&rows)).unwrap();
    let scores: Array1<f64> = boosted.predict(rows.records());
    for (row, score) in rows.records().rows().into_iter().zip(scores) {
        let row: Vec<f32> = row.iter().map(|it| *it as f32).collect();
        assert!((f64::from(model.score(&row)) - score).abs() < 1e-6, "{row:?}");
    }
}

#[test]
fn a_feature_whose_absence_alone_tells_is_learned() {
    let values = Array2::from_shape_fn((200, 1), |(row, _)| if row % 2 == 0 { f64::NAN } else { 3.0 });
    let labels = (0..200).map(|row| row % 2 == 0).collect();
    let model = fit(GradientBoosting::default(), &Rows::new(values, labels)).export(&["a".to_owned()]).unwrap();
    assert!(model.score(&[f32::NAN]) > 0.9 && model.score(&[3.0]) < 0.1);
}

/// A row's margin is followed while trees are grown; were it not the one that the trees give, each tree would aim
/// beside the rest of the error.
#[test]
fn the_curve_ends_at_the_loss_that_the_trees_have() {
    for subsample in [1.0, 0.7, 0.2] {
        let rows = rows();
        let boosted = fit(GradientBoosting { subsample, ..few_trees() }, &rows);
        let scores: Array1<f64> = boosted.predict(rows.records());
        let losses = scores.iter().zip(rows.targets()).map(|(score, label)| {
            let of_label = if *label { *score } else { 1.0 - score };
            -of_label.ln()
        });
        let loss = losses.sum::<f64>() / rows.targets().len() as f64;
        let end = *boosted.curve.train_log_loss.last().unwrap();
        assert!((loss - end).abs() < 1e-9, "{loss} by the trees, {end} by the curve");
        assert_eq!((boosted.curve.best, &boosted.curve.validation_log_loss), (20, &None));
    }
}

#[test]
fn a_long_curve_has_at_most_200_points_and_its_last_tree() {
    let curve = fit(GradientBoosting { trees: 401, depth: 1, ..GradientBoosting::default() }, &noisy()).curve;
    assert_eq!((curve.trees.len(), curve.trees[0], curve.trees.last()), (134, 3, Some(&401)));
    assert_eq!(curve.train_log_loss.len(), 134);
}

#[test]
fn early_stopping_keeps_the_trees_up_to_the_least_validation_loss() {
    let boosted = fit(stopping(200, 10), &noisy());
    let LearningCurve { trees, validation_log_loss, best, .. } = &boosted.curve;
    let losses = validation_log_loss.as_ref().unwrap();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(boosted.trees.len(), *best as usize);
    assert!((losses[*best as usize - 1] - least).abs() < f64::EPSILON, "{losses:?}");
    assert_eq!(*trees, (1..=best + 10).collect::<Vec<_>>(), "ten in vain, and no more");
    assert!(*best < 190);
    assert_eq!(boosted.export(&features(&noisy())).unwrap().trees().len(), *best as usize);
}

#[test]
fn rows_held_back_for_validation_have_no_part_in_the_trees() {
    let rows = noisy();
    let (rest, validation) = validation::divide(&rows, 0.3, 42).unwrap();
    let positives = |rows: &Rows| rows.targets().iter().filter(|it| **it).count() as f64;
    assert_eq!((rest.targets().len(), validation.targets().len()), (1400, 600));
    assert!((positives(&validation) / positives(&rows) - 0.3).abs() < 0.01);
    let stopped = fit(stopping(200, 10), &rows);
    let trees = stopped.trees.len() as u32;
    let on_the_rest = fit(GradientBoosting { trees, ..GradientBoosting::default() }, &rest);
    assert_eq!(bytes(&stopped, &rows), bytes(&on_the_rest, &rows));
}

#[test]
fn another_seed_draws_other_rows_and_features_only_where_something_is_drawn() {
    let rows = noisy();
    let differs = |parameters: GradientBoosting| {
        let [one, other] =
            [1, 2].map(|seed| bytes(&fit(GradientBoosting { seed, ..parameters.clone() }, &rows), &rows));
        one != other
    };
    assert!(!differs(few_trees()));
    assert!(differs(GradientBoosting { subsample: 0.8, ..few_trees() }));
    assert!(differs(GradientBoosting { column_sample: 0.7, ..few_trees() }));
    assert!(differs(stopping(20, 20)));
}

#[test]
fn a_tree_sees_its_share_of_rows_and_features() {
    let rows = rows();
    let boosted = fit(GradientBoosting { subsample: 0.25, column_sample: 0.4, ..few_trees() }, &rows);
    // Every row's hessian is a quarter before the first tree.
    let seen = f64::from(boosted.trees[0].nodes[0].hessian_sum) * 4.0 / rows.targets().len() as f64;
    assert!((seen - 0.25).abs() < 0.03, "{seen}");
    for tree in &boosted.trees {
        let mut used: Vec<usize> = tree.nodes.iter().filter(|it| !it.is_leaf).map(|it| it.split_feature).collect();
        used.sort_unstable();
        used.dedup();
        assert!(used.len() <= 2, "{used:?}");
    }
    let least = fit(GradientBoosting { column_sample: 0.01, ..few_trees() }, &rows);
    assert!(least.trees.iter().any(|it| it.nodes.len() > 1), "one feature at least");
}

#[test]
fn a_balanced_class_weight_finds_more_positives() {
    let rows = noisy();
    let found = |class_weight| {
        let boosted = fit(GradientBoosting { class_weight, depth: 3, ..few_trees() }, &rows);
        let scores: Array1<f64> = boosted.predict(rows.records());
        scores.iter().zip(rows.targets()).filter(|(score, label)| **label && **score >= 0.5).count()
    };
    let (plain, balanced) = (found(ClassWeight::default()), found(ClassWeight::Balanced));
    let positives = rows.targets().iter().filter(|it| **it).count();
    assert!(plain * 10 < positives * 9 && balanced * 20 > positives * 19, "{plain}, {balanced} of {positives}");
}

#[test]
fn a_positive_row_that_counts_three_times_is_three_rows() {
    let rows = noisy();
    let thrice: Vec<usize> =
        (0..rows.targets().len()).flat_map(|row| vec![row; if rows.targets()[row] { 3 } else { 1 }]).collect();
    let values = rows.records().select(ndarray::Axis(0), &thrice);
    let repeated = Rows::new(values, thrice.iter().map(|it| rows.targets()[*it]).collect());
    let weighted = fit(GradientBoosting { class_weight: ClassWeight::Positive(3.0), ..few_trees() }, &rows);
    let [weighted, repeated] = [weighted, fit(few_trees(), &repeated)].map(|it| it.trees[0].nodes[0].hessian_sum);
    assert!((weighted - repeated).abs() < 1e-2, "{weighted}, {repeated}");
}

#[test]
fn l1_and_l2_shrink_the_leaves() {
    let mean = |parameters: GradientBoosting| {
        let boosted = fit(GradientBoosting { trees: 1, depth: 3, ..parameters }, &noisy());
        let leaves: Vec<f32> = leaves(&boosted).map(f32::abs).collect();
        leaves.iter().sum::<f32>() / leaves.len() as f32
    };
    let plain = mean(GradientBoosting::default());
    assert!(mean(GradientBoosting { l1: 5.0, ..GradientBoosting::default() }) < 0.9 * plain);
    assert!(mean(GradientBoosting { l2: 50.0, ..GradientBoosting::default() }) < 0.9 * plain);
    assert!(mean(GradientBoosting { l1: 1e6, ..GradientBoosting::default() }) < f32::MIN_POSITIVE, "none is worth it");
}

#[test]
fn no_leaf_is_lighter_than_the_least() {
    let boosted = fit(GradientBoosting { min_leaf_weight: 30.0, ..few_trees() }, &noisy());
    let lightest = boosted.trees.iter().flat_map(|it| it.nodes.iter()).map(|it| it.hessian_sum);
    assert!(lightest.fold(f32::INFINITY, f32::min) >= 30.0);
}

/// How often a score goes the wrong way, when one feature grows and the others stay.
fn wrong_steps(boosted: &Boosted, rows: &Rows, feature: usize, sign: f64) -> usize {
    let model = boosted.export(&features(rows)).unwrap();
    let mut wrong = 0;
    for row in rows.records().rows().into_iter().step_by(10) {
        let mut row: Vec<f32> = row.iter().map(|it| *it as f32).collect();
        let scores: Vec<f64> = (0..=100_u8)
            .map(|step| {
                row[feature] = f32::from(step) / 100.0;
                f64::from(model.margin(&row))
            })
            .collect();
        wrong += scores.windows(2).filter(|it| (it[1] - it[0]) * sign < -1e-6).count();
    }
    wrong
}

#[test]
fn a_monotone_feature_never_moves_the_score_the_other_way() {
    let rows = noisy();
    for (monotone, sign) in [(Monotone::Increasing, 1.0), (Monotone::Decreasing, -1.0)] {
        let parameters = GradientBoosting {
            monotone: BTreeMap::from([("a".to_owned(), monotone)]),
            min_leaf_weight: 0.1,
            ..few_trees()
        };
        assert_eq!(wrong_steps(&fit(parameters, &rows), &rows, 0, sign), 0, "{monotone:?}");
        assert!(wrong_steps(&fit(few_trees(), &rows), &rows, 0, sign) > 0, "unconstrained");
    }
}

#[test]
fn log_loss_has_a_value_where_a_score_would_round_to_1() {
    assert!((curve::log_loss(&[true, false], &[40.0, -40.0], 1.0) - (-40.0_f64).exp()).abs() < 1e-30);
    assert!((curve::log_loss(&[true, false], &[-800.0, 0.0], 3.0) - (2400.0 + 2.0_f64.ln()) / 4.0).abs() < 1e-9);
}

#[test]
fn a_parameter_out_of_its_range_is_refused() {
    let refusal = |change: fn(&mut GradientBoosting)| {
        let mut parameters = GradientBoosting::default();
        change(&mut parameters);
        Unchecked::new(parameters, &features(&rows())).check().unwrap_err().to_string()
    };
    let refusals = [
        refusal(|it| it.trees = 0),
        refusal(|it| it.trees = 10_001),
        refusal(|it| it.learning_rate = f32::NAN),
        refusal(|it| it.depth = 17),
        refusal(|it| it.l1 = f32::NAN),
        refusal(|it| it.l2 = -1.0),
        refusal(|it| it.min_leaf_weight = f32::INFINITY),
        refusal(|it| it.subsample = 0.0),
        refusal(|it| it.column_sample = 1.5),
        refusal(|it| it.class_weight = ClassWeight::Positive(0.0)),
        refusal(|it| it.early_stopping = Some(EarlyStopping { rounds: 0, validation: 0.1 })),
        refusal(|it| it.early_stopping = Some(EarlyStopping { rounds: 10, validation: 0.6 })),
        refusal(|it| it.monotone = BTreeMap::from([("x".to_owned(), Monotone::Increasing)])),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @"
    `trees` is 0, it should be 1 to 10,000
    `trees` is 10001, it should be 1 to 10,000
    `learning-rate` is NaN, it should be above 0 and at most 1
    `depth` is 17, it should be 1 to 16
    `l1` is NaN, it should be at least 0
    `l2` is -1, it should be at least 0
    `min-leaf-weight` is inf, it should be at least 0
    `subsample` is 0, it should be above 0 and at most 1
    `column-sample` is 1.5, it should be above 0 and at most 1
    `class-weight` is 0, it should be above 0, or `balanced`
    `rounds` is 0, it should be 1 to 1,000
    `validation` is 0.6, it should be 0.05 to 0.5
    `monotone` names `x`, which is none of the features
    ");
}

#[test]
fn early_stopping_on_a_single_positive_row_is_refused() {
    let rows = Rows::new(Array2::zeros((10, 1)), (0..10).map(|it| it == 0).collect());
    let parameters = stopping(10, 1);
    let refusal = Checked { parameters, features: features(&rows), threads: None }.fit(&rows).err().unwrap();
    insta::assert_snapshot!(refusal, @"early stopping needs at least two rows of either label to train on, but label 1 has 1");
}
