use linfa::traits::Predict;
use ndarray::ShapeBuilder;

use super::*;

/// Rows of five columns with ties and, in the third, missing values; wide apart in size.
fn rows() -> Rows {
    let mut random = crate::generate::Random::new(*b"test    ", 7);
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

fn fit(threads: usize) -> Boosted {
    let parameters = GradientBoosting { trees: 20, ..GradientBoosting::default() };
    Checked { parameters, features: features(), threads: Some(threads) }.fit(&rows()).unwrap()
}

fn features() -> Vec<String> {
    ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec()
}

#[test]
fn one_thread_and_many_give_the_same_bytes() {
    let bytes = [1, 1, 2, 5].map(|threads| fit(threads).export(&features()).unwrap().to_json());
    assert!(bytes.iter().all(|it| *it == bytes[0]));
}

#[test]
fn the_exported_model_decides_every_row_as_the_booster_does() {
    let (rows, boosted) = (rows(), fit(2));
    let model = boosted.export(&features()).unwrap();
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
    let checked = Checked { parameters: GradientBoosting::default(), features: vec!["a".to_owned()], threads: None };
    let model = checked.fit(&Rows::new(values, labels)).unwrap().export(&["a".to_owned()]).unwrap();
    assert!(model.score(&[f32::NAN]) > 0.9 && model.score(&[3.0]) < 0.1);
}

#[test]
fn a_parameter_out_of_its_range_is_refused() {
    let refusal = |change: fn(&mut GradientBoosting)| {
        let mut parameters = GradientBoosting::default();
        change(&mut parameters);
        Unchecked::new(parameters, &features()).check().unwrap_err().to_string()
    };
    let refusals = [
        refusal(|it| it.trees = 0),
        refusal(|it| it.learning_rate = f32::NAN),
        refusal(|it| it.depth = 17),
        refusal(|it| it.l2 = -1.0),
        refusal(|it| it.min_leaf_weight = f32::INFINITY),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @"
    `trees` is 0, it should be 1 to 10,000
    `learning-rate` is NaN, it should be above 0 and at most 1
    `depth` is 17, it should be 1 to 16
    `l2` is -1, it should be at least 0
    `min-leaf-weight` is inf, it should be at least 0
    ");
}
