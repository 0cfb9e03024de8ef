//! What the function is told, and how much of that Lambda takes.

use lambda_proxy::config::{Config, THRESHOLD};
use spec::{Complaint, Spec, Threshold};

use super::STAGE;
use crate::Skip;

/// Bytes that the environment of a function may have, as JSON. Source: Lambda quotas, 4 KB; the refusal shows what is
/// measured: `String measured: {"ENDPOINT_NAME":"fraud",…}`.
const MAX_BYTES: usize = 4_096;
/// Bytes for a threshold that is chosen later: no score, which is an `f32` from 0 to 1, takes more as text.
const CHOSEN_THRESHOLD_BYTES: usize = 64;

/// What the proxy is told, in its own words, but for the threshold.
pub(super) fn settings(spec: &Spec, endpoint: &str) -> Config {
    let proxy = &spec.deploy_proxy;
    Config {
        endpoint: endpoint.to_owned(),
        features: spec.train.features().to_vec(),
        decision_field: proxy.response.decision.clone(),
        score_field: proxy.response.score.clone(),
        threshold: f64::NAN,
        reasons: proxy.reasons,
        max_body_kb: proxy.max_body_kb,
    }
}

/// Refuses what Lambda would refuse after the endpoint was made: an environment that is too large.
pub fn check(spec: &Spec, skip: &Skip) -> Result<(), Complaint> {
    let bytes = bytes(spec);
    if bytes <= MAX_BYTES || skip.contains(STAGE.name) {
        return Ok(());
    }
    let (features, response) = (spec.train.features(), &spec.deploy_proxy.response);
    let names: usize = features.iter().map(|name| name.len() + 1).sum();
    let parts = [
        (names, "stages.train.features"),
        (response.decision.len(), "stages.deploy-proxy.response.decision"),
        (response.score.len(), "stages.deploy-proxy.response.score"),
    ];
    let (most, place) = parts.into_iter().max().unwrap_or_default();
    let message = format!("the function's environment would have {bytes} bytes, and Lambda takes {MAX_BYTES}");
    let complaint = spec.complain(place, message);
    let over = bytes - MAX_BYTES;
    Err(if most == names {
        complaint
            .label(format!("{} names of columns, {names} bytes of it", features.len()))
            .help(format!("the function is told every name: take fewer columns or shorter names, {over} bytes less"))
            .help(format!(
                "or deploy the endpoint alone: `--skip {} --skip {}`",
                STAGE.name,
                crate::smoke_test::STAGE.name
            ))
    } else {
        complaint.label(format!("{most} bytes of it")).help(format!("take a name that is {over} bytes shorter"))
    })
}

/// Bytes of the environment, as Lambda measures them.
fn bytes(spec: &Spec) -> usize {
    let mut variables = settings(spec, spec.name.as_str()).variables();
    let threshold = match spec.deploy_proxy.response.threshold {
        Threshold::Fixed(threshold) => threshold.to_string(),
        _ => "0".repeat(CHOSEN_THRESHOLD_BYTES),
    };
    variables.insert(THRESHOLD, threshold);
    serde_json::json!(variables).to_string().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipeline with so many columns of nine characters, and one column that fills the rest of `bytes`.
    fn with_environment(bytes_wanted: usize, response: &str) -> Spec {
        let text = |names: &[String]| {
            format!(
                "name: fraud\nstages:\n- train: {{ features: [{}] }}\n- deploy-proxy: {{ response: {{ {response} }} }}\n",
                names.join(", ")
            )
        };
        let parse = |names: &[String]| Spec::parse(&text(names), "pipeline.yaml".as_ref()).unwrap();
        let mut names: Vec<String> = (0..300).map(|n| format!("column{n:03}")).collect();
        names.push("x".to_owned());
        let rest = bytes_wanted - bytes(&parse(&names));
        names.push("y".repeat(rest - 1));
        parse(&names)
    }

    #[test]
    fn an_environment_that_lambda_would_refuse_is_refused_with_its_columns() {
        let skip = Skip::default();
        for response in ["threshold: 0.5", "threshold: best-f1"] {
            let fits = with_environment(MAX_BYTES, response);
            assert_eq!(bytes(&fits), MAX_BYTES);
            check(&fits, &skip).unwrap();
            let refused = check(&with_environment(MAX_BYTES + 1, response), &skip).unwrap_err();
            assert_eq!(
                refused.message(),
                "the function's environment would have 4097 bytes, and Lambda takes 4096",
                "{response}"
            );
            assert_eq!((refused.line(), refused.column()), (3, 12));
        }
        let many = with_environment(MAX_BYTES + 1, "threshold: 0.5");
        check(&many, &Skip::new([STAGE.name])).unwrap();
    }

    #[test]
    fn a_thousand_columns_are_refused_and_what_helps_is_said() {
        let text = "name: fraud\nstages:\n- train: { features: [V1..V1000] }\n";
        let spec = Spec::parse(text, "pipeline.yaml".as_ref()).unwrap();
        insta::assert_snapshot!(check(&spec, &Skip::default()).unwrap_err().render(false), @"
        error: the function's environment would have 5025 bytes, and Lambda takes 4096
         --> pipeline.yaml:3:12
          |
        3 | - train: { features: [V1..V1000] }
          |            ^^^^^^^^ 1000 names of columns, 4893 bytes of it
          |
          = help: the function is told every name: take fewer columns or shorter names, 929 bytes less
          = help: or deploy the endpoint alone: `--skip deploy-proxy --skip smoke-test`
        ");
        let text =
            format!("name: fraud\nstages:\n- deploy-proxy: {{ response: {{ score: {} }} }}\n", "s".repeat(4_000));
        let spec = Spec::parse(&text, "pipeline.yaml".as_ref()).unwrap();
        let refused = check(&spec, &Skip::default()).unwrap_err();
        assert_eq!(refused.message(), "the function's environment would have 4231 bytes, and Lambda takes 4096");
        assert_eq!((refused.line(), refused.column()), (3, 38));
    }

    #[test]
    fn no_score_is_longer_as_text_than_what_is_kept_for_it() {
        let floats = (0..=f32::to_bits(1.0)).step_by(9_973).chain(0..5_000).map(f32::from_bits);
        let longest = floats.map(|score| f64::from(score).to_string().len()).max().unwrap();
        assert!((60..=CHOSEN_THRESHOLD_BYTES).contains(&longest), "{longest}");
    }
}
