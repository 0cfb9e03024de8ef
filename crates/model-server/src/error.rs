//! Why the server does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A cause that stops the server before it serves.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The model directory cannot be read.
    #[error("could not read model directory `{}`", dir.display())]
    ModelDir {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing to serve.
    #[error("model directory `{}` holds no model file, not counting names that start with a dot", dir.display())]
    NoModel {
        /// The directory.
        dir: PathBuf,
    },
    /// More than one file. AWS's container would average over all of them, and fail on any that is no model.
    #[error("model directory `{}` holds {} files ({}), but ensembles are not supported: keep exactly one", dir.display(), names.len(), names.join(", "))]
    SeveralModels {
        /// The directory.
        dir: PathBuf,
        /// The files, sorted.
        names: Vec<String>,
    },
    /// The model file cannot be read.
    #[error("could not read model file `{}`", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no model, or one that is not supported.
    #[error("could not load model file `{}`", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address is taken or not ours.
    #[error("could not listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused a handler for SIGTERM.
    #[error("could not listen for SIGTERM")]
    Signal(#[source] io::Error),
}
