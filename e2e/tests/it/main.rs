//! Drives `runner` as a process, against its embedded local cloud, as a user would.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod bad_input;
mod data_sources;
mod deployer;
mod harness;
mod judgement;
mod laws;
mod lifecycle;
mod local_cloud;
mod own_image;
mod own_image_laws;
mod own_training;
mod plans;
mod registry_peers;
mod roles;
mod training_job;
mod wire;
