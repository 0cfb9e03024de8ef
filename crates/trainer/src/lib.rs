//! Data in, model and evaluation out.
