//! Evaluations of models that were really trained, and one of scores that were not.

use model::Model;
use trainer::{
    Algorithm, Counts, Evaluation, GradientBoosting, Judged, LearningCurve, LogisticRegression, Options, Scores, Table,
    generate, judge, log_loss, measure, train,
};

/// Fitted to generated rows; with a learning curve.
pub(crate) fn boosted(rows: &Table) -> Evaluation {
    let options = Options {
        algorithm: Algorithm::GradientBoosting(GradientBoosting { trees: 60, ..GradientBoosting::default() }),
        ..Options::default()
    };
    let trained = train(rows.clone(), None, &options, &mut |_| ()).unwrap();
    let mut evaluation = trained.evaluation;
    evaluation.learning_curve = Some(learning_curve(&Model::read(&trained.model_json).unwrap(), rows));
    evaluation
}

/// Fitted to the same rows; without one.
pub(crate) fn logistic(rows: &Table) -> Evaluation {
    let options =
        Options { algorithm: Algorithm::LogisticRegression(LogisticRegression::default()), ..Options::default() };
    train(rows.clone(), None, &options, &mut |_| ()).unwrap().evaluation
}

pub(crate) fn rows(count: u64) -> Table {
    generate(count, 42).unwrap()
}

/// Eight rows of scores that mean little.
pub(crate) fn tiny() -> Judged {
    let labels = [true, false, true, false, false, true, false, false];
    let test_scores = Scores::new(&labels, &[0.9, 0.8, 0.35, 0.35, 0.1, 0.55, 0.02, 0.6]).unwrap();
    Judged {
        test: Counts { rows: 8, positives: 3 },
        metrics: measure(&test_scores),
        test_scores,
        importance: Vec::new(),
        golden_rows: Vec::new(),
    }
}

/// Scores that are margins, given by a linear model.
pub(crate) fn margins(rows: &Table) -> Judged {
    let weights: Vec<f32> = (0..rows.features().len() as u8).map(|it| f32::from(it % 7) / 3.0 - 1.0).collect();
    let json = Model::linear(rows.features(), weights, -1.0).unwrap().to_json();
    let raw = String::from_utf8(json).unwrap().replace("binary:logistic", "binary:logitraw");
    judge(&Model::read(raw.as_bytes()).unwrap(), rows).unwrap()
}

/// Names as an attacker chooses them, and as careless people do.
pub(crate) fn hostile(mut evaluation: Evaluation) -> Evaluation {
    let names = [
        "</text></svg><script>document.title='owned'</script>",
        "<img src=x onerror=\"document.title='owned'\">",
        "a_name_of_a_feature_that_somebody_made_by_joining_the_names_of_seven_tables_with_underscores",
        "Überweisungsbetrag in €  &amp; 'Gebühr'",
        "مبلغ",
    ];
    for (importance, name) in evaluation.importance.iter_mut().zip(names) {
        name.clone_into(&mut importance.feature);
    }
    names[1].clone_into(&mut evaluation.label);
    evaluation.warnings = vec![names[0].to_owned(), names[2].repeat(3)];
    evaluation
}

/// Log loss of the first trees, on every fourth row and on the others.
fn learning_curve(model: &Model, rows: &Table) -> LearningCurve {
    let trees: Vec<u32> = (1..=model.trees().len() as u32).collect();
    let loss = |count: u32, held_back: bool| {
        let first = Model::boosted(rows.features(), 0.0, model.trees()[..count as usize].to_vec()).unwrap();
        let chosen: Vec<usize> = (0..rows.len()).filter(|it| (it % 4 == 0) == held_back).collect();
        let labels: Vec<bool> = chosen.iter().map(|it| rows.labels()[*it]).collect();
        let scores: Vec<f32> = chosen.iter().map(|it| first.score(&rows.row(*it))).collect();
        log_loss(&Scores::new(&labels, &scores).unwrap()).unwrap()
    };
    LearningCurve {
        train_log_loss: trees.iter().map(|it| loss(*it, false)).collect(),
        validation_log_loss: Some(trees.iter().map(|it| loss(*it, true)).collect()),
        best: trees[trees.len() - 1],
        trees,
    }
}
