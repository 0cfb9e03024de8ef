//! What a pipeline file may say, and what is answered to one that is wrong.

#![expect(clippy::unwrap_used, reason = "a test that finds something else is a test that fails")]

mod api;
mod endpoint;
mod example;
mod laws;
mod trust;
mod wrong_algorithm;
mod wrong_data;
mod wrong_endpoint;
mod wrong_names;
mod wrong_proxy;
mod wrong_role;
mod wrong_shape;
mod wrong_train;
mod wrong_values;

use spec::{Complaints, Spec};

fn parse(text: &str) -> Result<Spec, Complaints> {
    Spec::parse(text, "pipeline.yaml".as_ref())
}

/// What the user sees.
fn rendered(text: &str) -> String {
    parse(text).unwrap_err().render(false)
}

/// What the user sees about one stage.
fn stage(block: &str) -> String {
    rendered(&format!("name: fraud\nstages:\n{block}"))
}
