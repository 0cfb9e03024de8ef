//! One module a service.

pub mod apigateway;
pub mod autoscaling;
pub mod cloudwatch;
pub mod ecr;
pub mod iam;
pub mod lambda;
pub mod logs;
pub mod quotas;
pub mod s3;
pub mod sagemaker;
pub mod sts;
