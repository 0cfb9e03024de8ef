//! Drives `runner` as a process, against its embedded local cloud, as a user would.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod bad_input;
mod capacity;
mod ci_job;
mod conformance;
mod data_sources;
mod delays;
mod deployer;
mod documents;
mod doors;
mod errors;
mod growth;
mod harness;
mod judgement;
mod laws;
mod lifecycle;
mod local_cloud;
mod local_state;
mod moto;
mod others;
mod output;
mod own_image;
mod own_image_laws;
mod own_training;
mod peers;
mod plans;
mod registry_peers;
mod roles;
mod rollouts;
mod signals;
mod skip;
mod state_folder;
mod training_job;
mod wire;
