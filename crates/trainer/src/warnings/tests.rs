use proptest::prelude::*;

use super::*;

const GONE: f32 = f32::NAN;

fn told(columns: &[&[f32]], labels: &[u8]) -> String {
    let features = (1..=columns.len()).map(|it| format!("V{it}")).collect();
    let mut table = Table::new("Class", features);
    for (row, label) in labels.iter().enumerate() {
        table.push(&columns.iter().map(|it| it[row]).collect::<Vec<_>>(), *label == 1);
    }
    table.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_column_of_one_value_or_none_is_constant() {
    let columns: [&[f32]; 4] = [&[3.0, 3.0, 3.0], &[GONE, GONE, GONE], &[3.0, GONE, 3.0], &[0.0, -0.0, 0.0]];
    insta::assert_snapshot!(told(&columns, &[0, 1, 1]), @"
    feature `V1` is 3 in every row, so nothing can be learned from it
    feature `V2` is missing in every row, so nothing can be learned from it
    feature `V4` is 0 in every row, so nothing can be learned from it
    ");
}

#[test]
fn a_column_that_repeats_an_earlier_one_is_told_with_the_first() {
    let column: &[f32] = &[1.0, GONE, 2.0, 1.0];
    let columns = [column, &[1.0, GONE, 2.0, 1.5], column, column];
    insta::assert_snapshot!(told(&columns, &[0, 1, 0, 1]), @"
    feature `V3` is the same as `V1` in every row
    feature `V4` is the same as `V1` in every row
    ");
}

#[test]
fn a_column_that_alone_tells_the_label_leaks() {
    let columns: [&[f32]; 8] = [
        &[1.0, 2.0, 3.0, 4.0],
        &[4.0, 3.0, 2.5, 1.0],
        &[1.0, 2.0, GONE, GONE],
        &[GONE, GONE, 5.0, 6.0],
        &[1.0, GONE, 3.0, 7.0],
        // None of these does.
        &[1.0, 3.0, 3.0, 4.0],
        &[1.0, GONE, GONE, 4.0],
        &[1.0, GONE, GONE, GONE],
    ];
    insta::assert_snapshot!(told(&columns, &[0, 0, 1, 1]), @"
    feature `V1` alone tells every label, for it is at least 3 where the label is 1 and at most 2 where it is 0; is it known before the label is?
    feature `V2` alone tells every label, for it is at least 3 where the label is 0 and at most 2.5 where it is 1; is it known before the label is?
    feature `V3` alone tells every label, for it is missing where the label is 1 and only there; is it known before the label is?
    feature `V4` alone tells every label, for it is missing where the label is 0 and only there; is it known before the label is?
    feature `V5` alone tells every label, for it is at least 3 where the label is 1 and at most 1 where it is 0; is it known before the label is?
    ");
}

#[test]
fn a_table_of_one_class_or_of_no_rows_has_no_leak() {
    assert_eq!(told(&[&[1.0, 2.0]], &[1, 1]), "");
    assert_eq!(told(&[&[]], &[]), "");
}

#[test]
fn the_generated_rows_give_no_warning() {
    assert_eq!(crate::generate(20_000, 42).unwrap().warnings(), []);
}

proptest! {
    #[test]
    fn a_column_leaks_exactly_if_some_threshold_decides_every_row(
        rows in prop::collection::vec((prop::option::of(0_u8..4), any::<bool>()), 2..9)
    ) {
        let column: Vec<f32> = rows.iter().map(|it| it.0.map_or(GONE, f32::from)).collect();
        let labels: Vec<bool> = rows.iter().map(|it| it.1).collect();
        let decides = |threshold: f32, missing_above: bool, above: bool| {
            column.iter().zip(&labels).all(|(value, label)| {
                let is_above = if value.is_nan() { missing_above } else { *value >= threshold };
                (is_above == above) == *label
            })
        };
        let sides = [(true, true), (true, false), (false, true), (false, false)];
        let any = (0..=4_u8).any(|it| sides.iter().any(|(missing, above)| decides(f32::from(it), *missing, *above)));
        let both = labels.contains(&true) && labels.contains(&false);
        prop_assert_eq!(leak(&column, &labels).is_some(), both && any);
    }
}
