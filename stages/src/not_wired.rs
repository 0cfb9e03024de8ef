//! What a pipeline file may ask for and no stage does yet. Each is refused by name before anything is planned.

use spec::{Algorithm, Complaint, GradientBoosting, On, Require, Spec, Threshold, Train};

/// Objects to the first thing that would be left undone.
pub(crate) fn refuse(spec: &Spec) -> Result<(), Complaint> {
    let (test_data, fit) = match &spec.train {
        Train::Fit(fit) => (fit.test_data.is_some(), Some(fit)),
        Train::Import(import) => (import.test_data.is_some(), None),
        Train::Command(command) => (command.test_data.is_some(), None),
    };
    let on_sagemaker = fit.is_some_and(|fit| matches!(fit.on, On::SageMaker(_)));
    let (algorithm, parameters) = match fit.map(|fit| &fit.algorithm) {
        Some(Algorithm::GradientBoosting(boosting)) => (false, new_parameters(boosting)),
        Some(Algorithm::RandomForest(_)) => (true, false),
        Some(Algorithm::LogisticRegression(_)) | None => (false, false),
    };
    let Require { average_precision: _, roc_auc: _, precision, recall, f1, log_loss, brier_score, not_worse_than_live } =
        spec.train.require();
    let metrics =
        [precision, recall, f1, log_loss, brier_score, not_worse_than_live].iter().any(|asked| asked.is_some());
    let threshold = !matches!(spec.deploy_proxy.response.threshold, Threshold::Fixed(_));
    let asked = [
        (matches!(spec.train, Train::Command(_)), "stages.train.command", "command"),
        (test_data, "stages.train.test-data", "test-data"),
        (on_sagemaker, "stages.train.on", "on: sagemaker"),
        (algorithm, "stages.train.algorithm", "random-forest"),
        (parameters, "stages.train.algorithm", "one of these parameters"),
        (metrics, "stages.train.require", "one of these metrics"),
        (threshold, "stages.deploy-proxy.response.threshold", "a threshold other than a number"),
        (spec.deploy_proxy.reasons > 0, "stages.deploy-proxy.reasons", "reasons"),
    ];
    match asked.iter().find(|(asked, _, _)| *asked) {
        Some((_, place, what)) => Err(complain(spec, place, what)),
        None => Ok(()),
    }
}

/// Objects to what is written at `place`.
pub(crate) fn complain(spec: &Spec, place: &str, what: &str) -> Complaint {
    spec.complain(place, format!("`{what}` is not wired yet"))
}

/// The proxy's threshold. One that is chosen on test rows has been refused for all but a teardown, which writes none.
pub(crate) fn threshold(threshold: Threshold) -> f64 {
    match threshold {
        Threshold::Fixed(score) => score,
        Threshold::BestF1 | Threshold::Precision(_) | Threshold::Cost { .. } => f64::NAN,
    }
}

/// Whether anything is asked of gradient boosting beyond what the trainer is told.
fn new_parameters(boosting: &GradientBoosting) -> bool {
    let told = GradientBoosting {
        trees: boosting.trees,
        learning_rate: boosting.learning_rate,
        depth: boosting.depth,
        l2: boosting.l2,
        min_leaf_weight: boosting.min_leaf_weight,
        ..GradientBoosting::default()
    };
    told != *boosting
}
