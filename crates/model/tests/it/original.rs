//! A model that somebody trained and served: its recorded answer is reproduced.

use std::fs;
use std::path::Path;

use model::{Model, archive};
use serde_json::Value;

#[test]
fn the_original_model_gives_its_recorded_score_to_the_last_bit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/original-model");
    let Ok(packed) = fs::read(folder.join("model.tar.gz")) else {
        return skip(&folder);
    };
    let model = Model::read(&archive::unpack(&packed).unwrap()).unwrap();
    let request: Value = serde_json::from_slice(&fs::read(folder.join("request.json")).unwrap()).unwrap();
    let response: Value = serde_json::from_slice(&fs::read(folder.join("response.json")).unwrap()).unwrap();
    let row = model.feature_names().iter().map(|name| request[name].as_f64().unwrap() as f32).collect::<Vec<_>>();

    let recorded = response["fraud_score"].as_f64().unwrap();
    assert_eq!(f64::from(model.score(&row)).to_bits(), recorded.to_bits());
    let rewritten = Model::read(&model.to_json()).unwrap();
    assert_eq!(f64::from(rewritten.score(&row)).to_bits(), recorded.to_bits());
}

#[expect(clippy::print_stderr, reason = "a test that did nothing has to say so")]
fn skip(folder: &Path) {
    eprintln!("skipped: {} is absent", folder.display());
}
