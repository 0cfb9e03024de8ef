//! What serves now, and what is known about it.

use super::Known;
use crate::cloud_error::{Explain, if_present};
use crate::names::{MODELS, evaluation_key};
use crate::{Clients, Names, Right, StageError, upload};

/// The model that serves now.
#[derive(Debug)]
pub struct Live {
    /// Name of the `SageMaker` model.
    pub name: String,
    /// Of the pipeline's model, its short form; empty when its archive is not in the pipeline's bucket.
    pub fingerprint: String,
    /// What is known about it; none when that is gone, or was written by another trainer.
    pub known: Option<Known>,
}

/// What [`live`] needs.
pub(super) fn rights(names: &Names) -> Vec<Right> {
    let mut rights = upload::rights_to_read(names);
    rights.extend([
        Right::new("Endpoint", &["sagemaker:DescribeEndpoint"], names.endpoint_arn()),
        Right::new("Configs", &["sagemaker:DescribeEndpointConfig"], names.versions_arn("endpoint-config")),
        Right::new("Models", &["sagemaker:DescribeModel"], names.versions_arn("model")),
    ]);
    rights
}

/// Looks at what serves now; none when nothing does.
pub async fn live(clients: &Clients, names: &Names) -> Result<Option<Live>, StageError> {
    let sagemaker = &clients.sagemaker;
    let endpoint = sagemaker.describe_endpoint().endpoint_name(&names.endpoint).send().await;
    let endpoint = if_present(endpoint.about("sagemaker:DescribeEndpoint", format!("endpoint `{}`", names.endpoint)))?;
    let Some(config) = endpoint.and_then(|endpoint| endpoint.endpoint_config_name) else { return Ok(None) };
    let answer = sagemaker.describe_endpoint_config().endpoint_config_name(&config).send().await;
    let config = if_present(answer.about("sagemaker:DescribeEndpointConfig", format!("endpoint config `{config}`")))?;
    let variants = config.and_then(|config| config.production_variants).unwrap_or_default();
    let Some(name) = variants.into_iter().find_map(|variant| variant.model_name) else { return Ok(None) };
    let answer = sagemaker.describe_model().model_name(&name).send().await;
    let model = if_present(answer.about("sagemaker:DescribeModel", format!("model `{name}`")))?;
    let url = model.and_then(|model| model.primary_container?.model_data_url).unwrap_or_default();
    let prefix = format!("s3://{}/{MODELS}", names.bucket);
    let key = url.strip_prefix(&prefix).and_then(|rest| rest.split_once('/'));
    let Some((fingerprint, _)) = key else { return Ok(Some(Live { name, fingerprint: String::new(), known: None })) };
    let evaluation = evaluation_key(fingerprint);
    let known = match upload::object_sha256(clients, names, &evaluation).await? {
        Some(_) => upload::object(clients, &names.bucket, &evaluation).await?,
        None => None,
    };
    let known = known.and_then(|known| Known::from_json(&known).ok());
    Ok(Some(Live { name, fingerprint: fingerprint.to_owned(), known }))
}
