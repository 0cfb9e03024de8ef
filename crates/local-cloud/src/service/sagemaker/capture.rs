//! Data capture: requests and answers as JSON lines in S3, written as the endpoint's role.
//!
//! Lines are collected for a minute of the cloud's time, then written as one object a variant, under
//! `<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/mm-ss-mmm-<uuid>.jsonl`. Source: AWS documentation, capture data
//! from a real-time endpoint.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::PRINCIPAL;
use super::fleet::RunningVariant;
use super::model::bucket_and_key;
use super::permission::permitted_in_bucket;
use super::runtime::{CUSTOM_ATTRIBUTES, INFERENCE_ID};
use super::validate::{Faults, Members, flag, inner, integer, list, structure, text};
use crate::Cloud;
use crate::call::{Call, Refusal};

/// Seconds of the cloud's time in which lines are collected for one object.
const COLLECT_S: u64 = 60;

/// What an endpoint keeps of requests and answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Capture {
    enabled: bool,
    percent: i64,
    /// An S3 URI.
    destination: String,
    kms_key: Option<String>,
    input: bool,
    output: bool,
    /// Content types that are kept as text, as `CSV`.
    csv: Vec<String>,
    /// Content types that are kept as text, as `JSON`.
    json: Vec<String>,
}

impl Capture {
    /// Reads and checks a request's `DataCaptureConfig`; none when it has none.
    pub(super) fn read(request: &Members, faults: &mut Faults) -> Result<Option<Self>, Refusal> {
        const AT: &str = "dataCaptureConfig";
        let Some(given) = inner(request, "DataCaptureConfig")? else { return Ok(None) };
        let at = |member: &str| format!("{AT}.{member}");
        match integer(given, "InitialSamplingPercentage")? {
            None => faults.missing(&at("initialSamplingPercentage")),
            percent => faults.range(percent, &at("initialSamplingPercentage"), 0, 100),
        }
        match text(given, "DestinationS3Uri")? {
            None => faults.missing(&at("destinationS3Uri")),
            Some(uri) => {
                faults.longest(uri, &at("destinationS3Uri"), 512);
                let rest = uri.strip_prefix("s3://").or_else(|| uri.strip_prefix("https://"));
                if !rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
                    let rule = "satisfy regular expression pattern: (https|s3)://([^/])/?(.*)";
                    faults.add(uri, &at("destinationS3Uri"), rule);
                }
            }
        }
        if let Some(key) = text(given, "KmsKeyId")? {
            faults.kms_key(key, &at("kmsKeyId"));
        }
        match list(given, "CaptureOptions")? {
            None => faults.missing(&at("captureOptions")),
            Some(options) => faults.length(options.len(), &at("captureOptions"), 1, 32),
        }
        for (index, option) in list(given, "CaptureOptions")?.unwrap_or_default().iter().enumerate() {
            let at = at(&format!("captureOptions.{}.member.captureMode", index + 1));
            match text(structure(option)?, "CaptureMode")? {
                None => faults.missing(&at),
                mode => faults.one_of(mode, &at, &["Input", "Output", "InputAndOutput"]),
            }
        }
        Self::of(request)
    }

    /// Reads what has been checked.
    pub(super) fn of(given: &Members) -> Result<Option<Self>, Refusal> {
        let Some(given) = inner(given, "DataCaptureConfig")? else { return Ok(None) };
        let mut modes = Vec::new();
        for option in list(given, "CaptureOptions")?.unwrap_or_default() {
            modes.extend(text(structure(option)?, "CaptureMode")?);
        }
        let has = |mode: &str| modes.contains(&mode) || modes.contains(&"InputAndOutput");
        let types = inner(given, "CaptureContentTypeHeader")?;
        let kept = |member: &str| -> Result<Vec<String>, Refusal> {
            let Some(types) = types else { return Ok(vec![]) };
            let types = list(types, member)?.unwrap_or_default();
            Ok(types.iter().filter_map(|kind| Some(kind.as_str()?.to_ascii_lowercase())).collect())
        };
        Ok(Some(Self {
            enabled: flag(given, "EnableCapture")?.unwrap_or(true),
            percent: integer(given, "InitialSamplingPercentage")?.unwrap_or_default(),
            destination: text(given, "DestinationS3Uri")?.unwrap_or_default().to_owned(),
            kms_key: text(given, "KmsKeyId")?.map(str::to_owned),
            input: has("Input"),
            output: has("Output"),
            csv: kept("CsvContentTypes")?,
            json: kept("JsonContentTypes")?,
        }))
    }

    /// As `DescribeEndpoint` has it.
    pub(super) fn summary(&self) -> Value {
        json!({
            "EnableCapture": self.enabled,
            "CaptureStatus": if self.enabled { "Started" } else { "Stopped" },
            "CurrentSamplingPercentage": self.percent,
            "DestinationS3Uri": self.destination,
            "KmsKeyId": self.kms_key.as_deref().unwrap_or_default(),
        })
    }

    /// Keeps a request and its answer, by chance.
    pub(super) fn keep(
        &self,
        cloud: &Arc<Cloud>,
        endpoint: &str,
        variant: &RunningVariant,
        call: &Call,
        answer: &Response<Bytes>,
    ) {
        if !self.enabled || rand::random_range(0..100) >= self.percent {
            return;
        }
        let at = Timestamp::now();
        let line = self.line(call, answer, at).to_string();
        let place = Place {
            destination: self.destination.clone(),
            endpoint: endpoint.to_owned(),
            variant: variant.name.clone(),
            role: variant.role.clone(),
            hour: at.strftime("%Y/%m/%d/%H").to_string(),
        };
        let is_first = {
            let mut open = cloud.sagemaker.captures.open();
            let lines = open.entry(place.clone()).or_default();
            lines.push(line);
            lines.len() == 1
        };
        if is_first {
            let collected = Arc::clone(cloud);
            cloud.sagemaker.tasks.spawn(async move {
                let wait = tokio::time::sleep(collected.config.delays.seconds(COLLECT_S));
                // At the end of the cloud what there is is written at once.
                collected.sagemaker.stopping.run_until_cancelled(wait).await;
                write(&collected, &place).await;
            });
        }
    }

    fn line(&self, call: &Call, answer: &Response<Bytes>, at: Timestamp) -> Value {
        let mut data = json!({});
        if self.input {
            data["endpointInput"] = self.part("INPUT", &call.headers, &call.body);
        }
        if self.output {
            data["endpointOutput"] = self.part("OUTPUT", answer.headers(), answer.body());
        }
        let mut event = json!({
            "eventId": crate::uuid(),
            "inferenceTime": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        });
        if let Some(id) = header(&call.headers, &INFERENCE_ID) {
            event["inferenceId"] = id.into();
        }
        if let Some(attributes) = header(&call.headers, &CUSTOM_ATTRIBUTES) {
            event["customAttributes"] = json!([attributes]);
        }
        json!({ "captureData": data, "eventMetadata": event, "eventVersion": "0" })
    }

    fn part(&self, mode: &str, headers: &HeaderMap, body: &Bytes) -> Value {
        let kind = header(headers, &CONTENT_TYPE).unwrap_or_default();
        let bare = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let text = || String::from_utf8_lossy(body).into_owned();
        let (encoding, data) = if self.csv.contains(&bare) {
            ("CSV", text())
        } else if self.json.contains(&bare) {
            ("JSON", text())
        } else {
            ("BASE64", BASE64.encode(body))
        };
        json!({ "observedContentType": kind, "mode": mode, "data": data, "encoding": encoding })
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Lines that are not yet written.
#[derive(Debug, Default)]
pub(super) struct Captures(Mutex<HashMap<Place, Vec<String>>>);

impl Captures {
    fn open(&self) -> MutexGuard<'_, HashMap<Place, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where lines go, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    destination: String,
    endpoint: String,
    variant: String,
    role: Option<String>,
    /// As in the key.
    hour: String,
}

async fn write(cloud: &Arc<Cloud>, place: &Place) {
    let Some(lines) = cloud.sagemaker.captures.open().remove(place) else { return };
    let key = |prefix: &str| {
        let prefix = prefix.trim_end_matches('/');
        let name = format!("{}-{}.jsonl", Timestamp::now().strftime("%M-%S-%3f"), crate::uuid());
        format!("{prefix}/{}/{}/{}/{name}", place.endpoint, place.variant, place.hour)
    };
    // Without a prefix the destination is the bucket itself.
    let destination = format!("{}/", place.destination.trim_end_matches('/'));
    let (bucket, prefix) = bucket_and_key(&destination)
        .unwrap_or_else(|| (destination.trim_start_matches("s3://").trim_end_matches('/'), ""));
    let key = key(prefix).trim_start_matches('/').to_owned();
    let names = &cloud.sagemaker.names;
    if let Some(role) = &place.role {
        let object = names.object_arn(bucket, &key);
        let assumed = cloud.iam.may_assume(role, PRINCIPAL, &names.source_arn());
        if !assumed || !permitted_in_bucket(cloud, role, "s3:PutObject", &object).await {
            tracing::warn!(endpoint = place.endpoint, role, "the role may not write what is captured, so it is lost");
            return;
        }
    }
    let written = async {
        let mut file = tempfile::NamedTempFile::new()?;
        for line in &lines {
            writeln!(file, "{line}")?;
        }
        file.flush()?;
        cloud.s3.put_file(bucket, &key, file.path()).await.map_err(|refusal| std::io::Error::other(refusal.message))
    };
    if let Err(error) = written.await {
        tracing::warn!(endpoint = place.endpoint, %error, "could not write what is captured, so it is lost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(types: &Value) -> Capture {
        let given = json!({ "DataCaptureConfig": {
            "InitialSamplingPercentage": 100, "DestinationS3Uri": "s3://b/captures",
            "CaptureOptions": [{ "CaptureMode": "Input" }, { "CaptureMode": "Output" }],
            "CaptureContentTypeHeader": types,
        } });
        Capture::of(given.as_object().unwrap()).unwrap().unwrap()
    }

    #[test]
    fn text_is_kept_as_text_only_where_its_type_is_named() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "text/csv; charset=utf-8".parse().unwrap());
        let body = Bytes::from_static(b"1,2");
        let named = capture(&json!({ "CsvContentTypes": ["text/csv"] })).part("INPUT", &headers, &body);
        assert_eq!((&named["data"], &named["encoding"]), (&json!("1,2"), &json!("CSV")));
        assert_eq!(named["observedContentType"], "text/csv; charset=utf-8");
        let unnamed = capture(&json!({})).part("INPUT", &headers, &body);
        assert_eq!((&unnamed["data"], &unnamed["encoding"]), (&json!("MSwy"), &json!("BASE64")));
    }
}
