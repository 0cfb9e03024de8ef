//! Every name in the cloud, derived from the pipeline's name, the place and the content.

use serde_json::json;
use sha2::{Digest, Sha256};
use spec::{Container, ContainerVersion, Spec};

use crate::Inputs;

/// Where a pipeline is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Twelve digits.
    pub account: String,
    /// For example `ap-south-1`.
    pub region: String,
    /// Whether calls travel over plain HTTP to a server that takes them for what they are: a bucket policy that demands
    /// TLS would lock us out. The local cloud counts loopback as TLS.
    pub plain_http: bool,
}

impl Site {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        spec::regions::partition(&self.region)
    }

    /// An ARN in this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        self.arn_of(service, &self.account, resource)
    }

    /// An ARN in this region, of whatever account.
    pub(crate) fn arn_of(&self, service: &str, account: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{account}:{resource}", self.partition(), self.region)
    }
}

/// Every name in the cloud. The longest pipeline name leaves each within its service's limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Where.
    pub site: Site,
    /// The value of the tag `runner:pipeline`.
    pub pipeline: String,
    /// At most 63 characters.
    pub bucket: String,
    /// Key of the model archive.
    pub model_key: String,
    /// Key of what is known about the model.
    pub evaluation_key: String,
    /// At most 64 characters.
    pub execution_role: String,
    /// At most 64 characters.
    pub proxy_role: String,
    /// What serves the model: the prebuilt `sagemaker-xgboost` image, or ours.
    pub image: String,
    /// The prebuilt `sagemaker-xgboost` image that trains.
    pub training_image: String,
    /// Repository of our own images; at most 256 characters.
    pub repository: String,
    /// Tag of our own image, by content; none where AWS's image serves the model.
    pub image_tag: Option<String>,
    /// `<name>-<12 hex>`, by content.
    pub model: String,
    /// `<name>-<12 hex>`, by content.
    pub endpoint_config: String,
    /// Fixed.
    pub endpoint: String,
    /// At most 64 characters.
    pub function: String,
    /// Not unique on AWS: the API is found by its tag.
    pub api: String,
}

/// Namespace of our repositories, as [`ROLE_PATH`] is of our roles. It also makes the shortest name long enough.
const NAMESPACE: &str = "runner";

/// Path of our roles, so that a deployer can be allowed these roles and no others.
pub(crate) const ROLE_PATH: &str = "/runner/";

impl Names {
    /// Derives all names.
    pub fn of(spec: &Spec, inputs: &Inputs, site: Site) -> Self {
        let name = spec.name.as_str();
        let region = &site.region;
        let bucket = spec.upload.bucket.clone().unwrap_or_else(|| format!("{name}-{}-{region}", site.account));
        let fingerprint = crate::package::short(&inputs.model.fingerprint);
        let model_key = format!("{MODELS}{fingerprint}/model.tar.gz");
        let execution_role = format!("{name}-{region}-sagemaker");
        let serving = &spec.create_endpoint;
        let repository = format!("{NAMESPACE}/{name}");
        let image_tag = inputs.image.as_ref().map(|image| crate::package::short(&image.fingerprint));
        let image = match &serving.container {
            Container::Prebuilt(version) => prebuilt(&site, version.as_str()),
            Container::ModelServer => {
                let tag = image_tag.as_deref().unwrap_or_default();
                format!("{}/{repository}:{tag}", registry(&site, &site.account))
            }
        };
        let mut content = json!({ "image": image, "bucket": bucket, "key": model_key, "role": execution_role });
        if let Some(vpc) = &serving.vpc {
            content["subnets"] = json!(vpc.subnets);
            content["security_groups"] = json!(vpc.security_groups);
        }
        let model = format!("{name}-{}", short_hash(&content));
        let mut content = crate::create_endpoint::config_content(serving, &bucket);
        content.insert("model".to_owned(), json!(model));
        let endpoint_config = format!("{name}-{}", short_hash(&content.into()));
        Self {
            pipeline: name.to_owned(),
            bucket,
            model_key,
            evaluation_key: evaluation_key(&fingerprint),
            proxy_role: format!("{name}-{region}-proxy"),
            execution_role,
            image,
            training_image: prebuilt(&site, training_container(&serving.container)),
            repository,
            image_tag,
            model,
            endpoint_config,
            endpoint: name.to_owned(),
            function: format!("{name}-proxy"),
            api: name.to_owned(),
            site,
        }
    }

    /// A text of the pipeline file with its placeholders filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        let value = |placeholder: &str| match placeholder {
            "partition" => self.site.partition().to_owned(),
            "region" => self.site.region.clone(),
            "account" => self.site.account.clone(),
            "bucket" => self.bucket.clone(),
            "endpoint" => self.endpoint.clone(),
            "function" => self.function.clone(),
            _ => self.pipeline.clone(),
        };
        // What is no placeholder was refused when the file was read.
        spec::fill(text, value).unwrap_or_else(|_| text.to_owned())
    }

    /// ARN of every version of a model or an endpoint config: 12 characters follow the name, so that another pipeline
    /// whose name begins with ours is not meant.
    pub(crate) fn versions_arn(&self, kind: &str) -> String {
        self.site.arn("sagemaker", &format!("{kind}/{}-{}", self.pipeline, "?".repeat(12)))
    }

    /// ARN of the endpoint.
    pub(crate) fn endpoint_arn(&self) -> String {
        self.site.arn("sagemaker", &format!("endpoint/{}", self.endpoint))
    }

    /// ARN of a log group, and the form in which most refusals have it.
    pub(crate) fn log_group_arns(&self, group: &str) -> [String; 2] {
        let arn = self.site.arn("logs", &format!("log-group:{group}"));
        [format!("{arn}:*"), arn]
    }

    /// ARN of an object in the bucket.
    pub(crate) fn object_arn(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket_arn())
    }

    /// ARN of the bucket.
    pub(crate) fn bucket_arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.site.partition(), self.bucket)
    }

    /// Where the model archive is.
    pub fn model_url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.model_key)
    }

    /// ARN of one of our roles.
    pub fn role_arn(&self, role: &str) -> String {
        format!("arn:{}:iam::{}:role{ROLE_PATH}{role}", self.site.partition(), self.site.account)
    }

    /// ARN of one of our roles as IAM guesses it while there is none: a path is told only when a role is made.
    pub(crate) fn role_arn_without_path(&self, role: &str) -> String {
        format!("arn:{}:iam::{}:role/{role}", self.site.partition(), self.site.account)
    }

    /// ARN of the function.
    pub fn function_arn(&self) -> String {
        self.site.arn("lambda", &format!("function:{}", self.function))
    }

    /// Log group of the endpoint's containers.
    pub fn endpoint_log_group(&self) -> String {
        format!("/aws/sagemaker/Endpoints/{}", self.endpoint)
    }

    /// Log group of the function.
    pub fn function_log_group(&self) -> String {
        format!("/aws/lambda/{}", self.function)
    }

    /// Log group of the API. Each group whose name begins otherwise takes room in a policy of the account, of which there
    /// is little. Source: "Enable logging from AWS services".
    pub fn access_log_group(&self) -> String {
        format!("/aws/vendedlogs/apis/{}", self.api)
    }

    /// ARN of the repository of our own images.
    pub(crate) fn repository_arn(&self) -> String {
        self.site.arn("ecr", &format!("repository/{}", self.repository))
    }

    /// Whether a name is this pipeline's with a content hash behind it.
    pub(crate) fn is_versioned(&self, name: &str) -> bool {
        name.strip_prefix(&self.pipeline)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|hash| hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

/// Tag of the image that trains a model for the image of that tag to serve: itself, if its models can be read here.
///
/// The image saves a model as `xgboost-model`. Under a name without an ending `XGBoost` writes UBJSON only from 2.1 on,
/// and before that its old binary form, which newer releases read no more. A model of a newer image is rewritten where
/// the older one would misread it. Source: `algorithm_mode/train.py` of the image, and `XGBoost`'s model IO tutorial.
///
/// An image of ours reads whatever is read here, so the newest one trains for it.
pub(crate) fn training_container(serving: &Container) -> &str {
    match serving {
        Container::Prebuilt(version) if version.major() == 1 => "3.0-5",
        Container::Prebuilt(version) => version.as_str(),
        Container::ModelServer => ContainerVersion::KNOWN[ContainerVersion::KNOWN.len() - 1],
    }
}

/// Prefix of every model's folder in the bucket.
pub(crate) const MODELS: &str = "models/";

/// Prefix of what SageMaker captures of requests and answers.
pub(crate) const CAPTURES: &str = "captures/";

/// Prefix of what training jobs read and write: a folder for each model, by the short form of its fingerprint.
pub(crate) const TRAINING: &str = "training/";

/// Key of what is known about a model, by the short form of its fingerprint.
pub(crate) fn evaluation_key(fingerprint: &str) -> String {
    format!("{MODELS}{fingerprint}/evaluation.json")
}

/// AWS's image of that tag.
fn prebuilt(site: &Site, tag: &str) -> String {
    let account = spec::regions::xgboost_registry(&site.region).unwrap_or_default();
    format!("{}/sagemaker-xgboost:{tag}", registry(site, account))
}

/// Host of an account's registry.
fn registry(site: &Site, account: &str) -> String {
    format!("{account}.dkr.ecr.{}.{}", site.region, spec::regions::dns_suffix(&site.region))
}

/// The first 12 hexadecimal digits of the SHA-256 of a value's canonical JSON: `serde_json` sorts the keys.
fn short_hash(value: &serde_json::Value) -> String {
    hex::encode(Sha256::digest(value.to_string()))[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    #[test]
    fn the_longest_name_in_the_longest_region_keeps_every_limit() {
        let name = "abcdefghijklmnopqrstuvwxyz-01234";
        assert_eq!(name.len(), 32);
        assert!(
            spec::Spec::parse(&format!("name: {name}5"), "pipeline.yaml".as_ref()).is_err(),
            "it is not the longest"
        );
        for (region, _) in spec::regions::XGBOOST_REGISTRIES {
            let names = Fixture::new(&format!("name: {name}"), region, "3f9a0c12").names;
            let limits = [
                (&names.bucket, 63),
                (&names.execution_role, 64),
                (&names.proxy_role, 64),
                (&names.model, 63),
                (&names.endpoint_config, 63),
                (&names.endpoint, 63),
                (&names.function, 64),
                (&names.api, 128),
                (&names.repository, 256),
            ];
            for (name, limit) in limits {
                assert!(name.len() <= limit, "`{name}` has {} characters, and the limit is {limit}", name.len());
            }
        }
    }

    #[test]
    fn names_derive_from_pipeline_place_and_content() {
        insta::assert_debug_snapshot!(Fixture::with("").names, @r#"
        Names {
            site: Site {
                account: "123456789012",
                region: "us-east-1",
                plain_http: false,
            },
            pipeline: "fraud",
            bucket: "fraud-123456789012-us-east-1",
            model_key: "models/3f9a0c123f9a/model.tar.gz",
            evaluation_key: "models/3f9a0c123f9a/evaluation.json",
            execution_role: "fraud-us-east-1-sagemaker",
            proxy_role: "fraud-us-east-1-proxy",
            image: "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
            training_image: "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
            repository: "runner/fraud",
            image_tag: None,
            model: "fraud-f8f2f4a85451",
            endpoint_config: "fraud-2592047eff65",
            endpoint: "fraud",
            function: "fraud-proxy",
            api: "fraud",
        }
        "#);
    }

    #[test]
    fn a_job_trains_with_an_image_whose_models_can_be_read() {
        let image = |tag: &str| Fixture::with(&format!("{{ create-endpoint: {{ container: {tag} }} }}")).names;
        for (serving, training) in [("1.3-1", "3.0-5"), ("1.7-1", "3.0-5"), ("3.0-5", "3.0-5"), ("3.2-0", "3.2-0")] {
            let names = image(serving);
            assert!(names.image.ends_with(&format!("/sagemaker-xgboost:{serving}")));
            assert_eq!(names.training_image, names.image.replace(serving, training));
        }
    }

    #[test]
    fn other_content_is_another_model_and_config_on_the_same_endpoint() {
        let (one, other) = (Fixture::with("").names, Fixture::retrained("").names);
        assert_ne!(one.model, other.model);
        assert_ne!(one.endpoint_config, other.endpoint_config);
        assert_eq!(one.endpoint, other.endpoint);
        assert!(one.is_versioned(&other.model));
        assert!(!one.is_versioned("fraud-detection"));
        assert!(!one.is_versioned("fraud-0123456789ab-proxy"));
    }
}
