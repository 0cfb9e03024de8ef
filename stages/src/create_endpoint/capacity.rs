//! What an endpoint runs on and what goes with it, in the words of a plan and in those of SageMaker.

use aws_sdk_sagemaker::types::{
    CaptureContentTypeHeader, CaptureMode, CaptureOption, DataCaptureConfig, ProductionVariant,
    ProductionVariantInstanceType, ProductionVariantServerlessConfig,
};
use plan::Facts;
use serde_json::{Map, Value as Json};
use spec::{Capacity, CreateEndpoint, DataCapture};

use super::VARIANT;
use crate::Names;

/// What the proxy and other programs send and get: CSV is kept as text, and so is JSON. Everything else is kept in
/// base64.
const CSV: &str = "text/csv";
const JSON: &str = "application/json";

/// A capacity as a fact.
pub(super) fn words(capacity: &Capacity) -> String {
    match capacity {
        Capacity::Instances { instance_type, count, volume_gb } => {
            let disk = volume_gb.map(|gb| format!(", {gb} GB each")).unwrap_or_default();
            format!("{count} x {instance_type}{disk}")
        }
        Capacity::Serverless { memory_mb, max_concurrency, provisioned_concurrency } => {
            let warm = provisioned_concurrency.map(|warm| format!(", {warm} kept warm")).unwrap_or_default();
            format!("serverless, {memory_mb} MB, at most {max_concurrency} at once{warm}")
        }
    }
}

/// What a config is made from beside its model. What the file does not ask for is not mentioned, so that it makes no
/// other name either.
pub(super) fn facts(wanted: &CreateEndpoint, bucket: &str) -> Facts {
    let facts = Facts::default().fixed("capacity", words(&wanted.capacity));
    let optional = [
        ("captures", wanted.data_capture.map(|capture| captures(capture, bucket).into())),
        ("kms_key", wanted.kms_key.clone().map(Json::from)),
        ("startup_timeout_s", wanted.startup_timeout_s.map(Json::from)),
    ];
    let given = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.fold(facts, |facts, (name, value)| facts.fixed(name, value))
}

/// The same, to make a name of.
pub(crate) fn content(wanted: &CreateEndpoint, bucket: &str) -> Map<String, Json> {
    let facts = facts(wanted, bucket);
    let known = facts.iter().filter_map(|fact| match &fact.value {
        plan::Value::Known(value) => Some((fact.name.to_owned(), value.clone())),
        plan::Value::Output { .. } => None,
    });
    known.collect()
}

/// The same of a config that exists.
pub(super) fn live_facts(
    variant: &ProductionVariant,
    capture: Option<&DataCaptureConfig>,
    kms_key: Option<&str>,
) -> Facts {
    let facts = Facts::default().field("capacity", words(&live(variant)));
    let facts = match capture.filter(|capture| capture.enable_capture() != Some(false)) {
        Some(capture) => facts.field("captures", live_captures(capture)),
        None => facts,
    };
    let facts = match kms_key {
        Some(key) => facts.field("kms_key", key),
        None => facts,
    };
    match variant.container_startup_health_check_timeout_in_seconds() {
        Some(seconds) => facts.field("startup_timeout_s", seconds),
        None => facts,
    }
}

fn live(variant: &ProductionVariant) -> Capacity {
    match variant.serverless_config() {
        Some(config) => Capacity::Serverless {
            memory_mb: config.memory_size_in_mb().unwrap_or_default(),
            max_concurrency: config.max_concurrency().unwrap_or_default(),
            provisioned_concurrency: config.provisioned_concurrency(),
        },
        None => Capacity::Instances {
            instance_type: variant.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            count: variant.initial_instance_count().unwrap_or_default(),
            volume_gb: variant.volume_size_in_gb(),
        },
    }
}

/// The one variant of a config.
pub(super) fn variant(wanted: &CreateEndpoint, model: String) -> ProductionVariant {
    let variant = ProductionVariant::builder().variant_name(VARIANT).model_name(model);
    match &wanted.capacity {
        Capacity::Instances { instance_type, count, volume_gb } => variant
            .instance_type(ProductionVariantInstanceType::from(instance_type.as_str()))
            .initial_instance_count(*count)
            .set_volume_size_in_gb(*volume_gb)
            .set_container_startup_health_check_timeout_in_seconds(wanted.startup_timeout_s)
            .build(),
        Capacity::Serverless { memory_mb, max_concurrency, provisioned_concurrency } => {
            let config = ProductionVariantServerlessConfig::builder()
                .memory_size_in_mb(*memory_mb)
                .max_concurrency(*max_concurrency)
                .set_provisioned_concurrency(*provisioned_concurrency);
            variant.serverless_config(config.build()).build()
        }
    }
}

/// What a config captures, and where to.
pub(super) fn data_capture(capture: DataCapture, names: &Names) -> DataCaptureConfig {
    let modes = [(capture.input, CaptureMode::Input), (capture.output, CaptureMode::Output)];
    let modes = modes.into_iter().filter(|(kept, _)| *kept);
    let options = modes.map(|(_, mode)| CaptureOption::builder().capture_mode(mode).build());
    let types = CaptureContentTypeHeader::builder().csv_content_types(CSV).json_content_types(JSON).build();
    DataCaptureConfig::builder()
        .enable_capture(true)
        .initial_sampling_percentage(capture.percent)
        .destination_s3_uri(destination(&names.bucket))
        .set_capture_options(Some(options.collect()))
        .capture_content_type_header(types)
        .build()
}

fn captures(capture: DataCapture, bucket: &str) -> String {
    captures_words(capture.percent, capture.input, capture.output, &destination(bucket))
}

fn live_captures(capture: &DataCaptureConfig) -> String {
    let has = |mode: &CaptureMode| {
        let modes = capture.capture_options().iter().filter_map(CaptureOption::capture_mode);
        modes.into_iter().any(|found| found == mode || *found == CaptureMode::InputAndOutput)
    };
    captures_words(
        capture.initial_sampling_percentage().unwrap_or_default(),
        has(&CaptureMode::Input),
        has(&CaptureMode::Output),
        capture.destination_s3_uri().unwrap_or_default(),
    )
}

fn captures_words(percent: i32, input: bool, output: bool, destination: &str) -> String {
    let what = match (input, output) {
        (true, true) => "requests and answers",
        (true, false) => "requests",
        (false, true) => "answers",
        (false, false) => "nothing",
    };
    format!("{percent} % of the traffic: {what}, to {destination}")
}

fn destination(bucket: &str) -> String {
    format!("s3://{bucket}/{}", crate::names::CAPTURES.trim_end_matches('/'))
}
