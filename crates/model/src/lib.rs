//! The XGBoost model file: read, check, score, write.
