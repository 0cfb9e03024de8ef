//! The inference container: GET /ping, POST /invocations.
