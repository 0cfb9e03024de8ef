//! What the tests stand on: a folder with a pipeline file, the programs, and a client of the local cloud.

mod aws;
mod http;
mod issuer;
mod peer;
mod pipeline;
pub(crate) mod rows;
mod scene;
mod tools;
pub(crate) mod web;

pub(crate) use aws::{Aws, Decided, Inventory, Side};
pub(crate) use http::{Answer, Http, posted};
pub(crate) use issuer::Issuer;
pub(crate) use peer::{curl, python_with_botocore};
pub(crate) use pipeline::Pipeline;
pub(crate) use scene::{Ran, Scene, answers, features};
pub(crate) use tools::{note, peer_is_missing, shared_data, static_model_server};
