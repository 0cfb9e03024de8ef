//! runner apply pipeline.yaml: from data to an answering URL.
