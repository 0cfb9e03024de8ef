//! What the tests stand on: a folder with a pipeline file, the programs, and a client of the local cloud.

pub(crate) mod archive;
mod aws;
mod http;
mod issuer;
mod load;
pub(crate) mod peer;
mod pipeline;
pub(crate) mod rows;
mod scene;
mod signers;
pub(crate) mod state_folder;
mod tools;
pub(crate) mod web;

pub(crate) use aws::{Aws, Decided, Inventory, Side, percent_encoded};
pub(crate) use http::{Answer, Http, posted};
pub(crate) use issuer::Issuer;
pub(crate) use load::ask_during;
pub(crate) use pipeline::Pipeline;
pub(crate) use scene::{Ran, Scene, answers, features};
pub(crate) use signers::{curl, python_with_botocore};
pub(crate) use tools::{lambda_proxy, local_cloud, note, runner, shared_data, static_model_server};
