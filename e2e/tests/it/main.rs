//! One binary: drives `runner` as a process.
