//! A request to a scoring call to a response: pure but for the call, which is passed in.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::config::{Config, REASONS_FIELD};
use crate::reply::Reply;
use crate::request::{self, Refusal};

/// Seconds a caller is told to wait when capacity is short.
const RETRY_SOON_S: &str = "1";
/// Seconds a caller is told to wait while there is no endpoint: creating one takes minutes.
const RETRY_LATER_S: &str = "30";

/// What API Gateway hands over, payload format 2.0, as far as the proxy looks at it.
///
/// Everything is optional, so that an event of another shape gets an answer and not a Lambda fault.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// The request body, as text or base64.
    pub body: Option<String>,
    /// Whether the body is base64, as API Gateway makes it for content types it does not know as text.
    pub is_base64_encoded: bool,
    /// Where the request came from.
    pub request_context: RequestContext,
}

/// The part of an event that names the request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestContext {
    /// API Gateway's id of the request, which its own log carries too.
    pub request_id: String,
}

/// What API Gateway takes back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The HTTP status.
    pub status_code: u16,
    /// Headers in lower case; the content type is always JSON.
    pub headers: BTreeMap<&'static str, String>,
    /// A JSON object.
    pub body: String,
    /// Always false.
    pub is_base64_encoded: bool,
}

/// A response, and what the log says of it beyond its status.
#[derive(Debug)]
pub struct Answer {
    /// For the caller.
    pub response: Response,
    /// For the log: absent when a score was answered.
    pub failure: Option<Failure>,
    /// For the log: reasons were asked for, and the container gave a score alone, as AWS's prebuilt ones do.
    pub reasons_unavailable: bool,
}

/// Why no score was answered, for the log only.
#[derive(Debug)]
pub struct Failure {
    /// A fixed word to search and alarm on.
    pub class: &'static str,
    /// The cause in the service's words, without any value of a request.
    pub detail: String,
}

/// Why the endpoint gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it means.
    pub kind: FaultKind,
    /// The service's own words, for the log.
    pub detail: String,
}

/// The meanings of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// There is no such endpoint, or it does not serve yet.
    NoEndpoint,
    /// The service refused the call as invalid.
    Invalid,
    /// The container answered with an error, or not at all.
    Model {
        /// The container's own status, when it gave one.
        status: Option<u16>,
    },
    /// Too many calls, or serverless capacity is coming up.
    Busy,
    /// The service failed and says to try again.
    Unavailable,
    /// No answer within the proxy's time limit.
    TimedOut,
    /// The function's role may not call the endpoint, or its credentials are not accepted.
    Denied,
    /// Anything else, such as a connection that failed.
    Failed,
}

/// Answers one event. `score` sends a CSV row to the endpoint and gives back the text of its answer.
///
/// With [`Config::reasons`] the text may go on with what each feature contributes, in log odds, and the bias.
pub async fn answer<Call, Answering>(config: &Config, event: Event, score: Call) -> Answer
where
    Call: FnOnce(String) -> Answering,
    Answering: Future<Output = Result<Vec<u8>, Fault>>,
{
    let (bytes, limit) = (body_bytes(&event), config.max_body_kb as usize * 1024);
    if bytes > limit {
        return Answer::too_large(bytes, limit);
    }
    let row = match body(event).and_then(|body| request::to_csv(&body, &config.features)) {
        Ok(row) => row,
        Err(refusal) => return Answer::refused(&refusal),
    };
    match score(row).await {
        Ok(reply) => match Reply::read(&reply, config) {
            Ok(reply) => Answer::scored(config, &reply),
            Err(detail) => {
                let error = "the model did not answer one score";
                Answer::failed(502, error, Failure { class: "bad-model-answer", detail })
            }
        },
        Err(fault) => Answer::fault(fault),
    }
}

/// What the body has when it is decoded.
fn body_bytes(event: &Event) -> usize {
    let body = event.body.as_deref().unwrap_or_default();
    if event.is_base64_encoded {
        // Four characters for three bytes, and a padding of `=` that stands for none.
        let padding = body.bytes().rev().take_while(|byte| *byte == b'=').count();
        (body.len() - padding) * 3 / 4
    } else {
        body.len()
    }
}

fn body(event: Event) -> Result<Vec<u8>, Refusal> {
    let body = event.body.unwrap_or_default();
    if event.is_base64_encoded {
        STANDARD.decode(body).map_err(|_| Refusal::new("the body is not valid base64"))
    } else {
        Ok(body.into_bytes())
    }
}

impl Answer {
    fn scored(config: &Config, reply: &Reply) -> Self {
        let reasons = reply.strongest(config.reasons.into()).map(|reasons| {
            let reasons = reasons.iter().map(|(feature, contribution)| {
                let feature = json_string(&config.features[*feature]);
                format!("{{\"feature\": {feature}, \"contribution\": {}}}", json_number(*contribution))
            });
            format!(", {}: [{}]", json_string(REASONS_FIELD), reasons.collect::<Vec<_>>().join(", "))
        });
        let body = format!(
            "{{{}: {}, {}: {}{}}}",
            json_string(&config.decision_field),
            reply.score >= config.threshold,
            json_string(&config.score_field),
            json_number(reply.score),
            reasons.as_deref().unwrap_or_default(),
        );
        let reasons_unavailable = config.reasons > 0 && reasons.is_none();
        Self { response: Response::new(200, body), failure: None, reasons_unavailable }
    }

    fn refused(refusal: &Refusal) -> Self {
        // Serializing strings cannot fail; should it ever, the status still says what happened.
        let body = serde_json::to_string(refusal).unwrap_or_else(|_| "{}".to_owned());
        // Names of unknown fields are the caller's text, so the log keeps to counts.
        Self {
            response: Response::new(400, body),
            failure: Some(Failure { class: "bad-request", detail: refusal.error.clone() }),
            reasons_unavailable: false,
        }
    }

    fn too_large(bytes: usize, limit: usize) -> Self {
        let error = format!("the body has {bytes} bytes, and at most {limit} are taken");
        Self::failed(413, &error, Failure { class: "too-large", detail: error.clone() })
    }

    fn failed(status: u16, error: &str, failure: Failure) -> Self {
        let body = format!("{{\"error\": {}}}", json_string(error));
        Self { response: Response::new(status, body), failure: Some(failure), reasons_unavailable: false }
    }

    fn fault(fault: Fault) -> Self {
        let (status, class, error) = match fault.kind {
            FaultKind::NoEndpoint => (503, "no-endpoint", "the model is not being served at the moment"),
            FaultKind::Invalid => (400, "invalid-call", "the model's endpoint refused the request as invalid"),
            FaultKind::Model { status: Some(400..=499) } => (422, "model-refused", "the model refused the request"),
            FaultKind::Model { .. } => (502, "model-failed", "the model failed"),
            FaultKind::Busy => (503, "busy", "the model has no capacity at the moment"),
            FaultKind::Unavailable => (503, "unavailable", "the model's endpoint is unavailable at the moment"),
            FaultKind::TimedOut => (504, "timed-out", "the model did not answer in time"),
            FaultKind::Denied => (502, "denied", "the function may not call the model's endpoint"),
            FaultKind::Failed => (502, "call-failed", "the model could not be asked"),
        };
        let mut answer = Self::failed(status, error, Failure { class, detail: fault.detail });
        let headers = &mut answer.response.headers;
        match fault.kind {
            FaultKind::NoEndpoint => drop(headers.insert("retry-after", RETRY_LATER_S.to_owned())),
            FaultKind::Busy | FaultKind::Unavailable => drop(headers.insert("retry-after", RETRY_SOON_S.to_owned())),
            FaultKind::Model { status: Some(status) } => drop(headers.insert("x-model-status", status.to_string())),
            _ => {}
        }
        answer
    }
}

impl Response {
    fn new(status_code: u16, body: String) -> Self {
        let headers = BTreeMap::from([("content-type", "application/json".to_owned())]);
        Self { status_code, headers, body, is_base64_encoded: false }
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes a finite number as Python's `json` does: the shortest digits that read back as the same bits, and an
/// exponent of at least two digits, so that whoever replaces a Python proxy answers the same bytes.
fn json_number(number: f64) -> String {
    let text = format!("{number:?}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            endpoint: "fraud".into(),
            features: vec!["V1".into(), "Amount".into()],
            decision_field: "is_fraud".into(),
            score_field: "fraud_score".into(),
            threshold: 0.5,
            reasons: 0,
            max_body_kb: 1,
        }
    }

    async fn ask_for_reasons(reasons: u8, reply: &str) -> Answer {
        let config = Config { reasons, ..config() };
        let event = Event { body: Some(r#"{"V1":1,"Amount":2}"#.to_owned()), ..Event::default() };
        answer(&config, event, async |_| Ok(reply.as_bytes().to_vec())).await
    }

    async fn ask(body: &str, reply: Result<&str, Fault>) -> Answer {
        let event = Event { body: Some(body.to_owned()), ..Event::default() };
        answer(&config(), event, async |_| reply.map(|text| text.as_bytes().to_vec())).await
    }

    async fn ask_well(reply: &str) -> Answer {
        ask(r#"{"V1":1,"Amount":2}"#, Ok(reply)).await
    }

    #[tokio::test]
    async fn an_event_becomes_a_row_and_a_score_becomes_an_answer() {
        let event = r#"{"version":"2.0","routeKey":"POST /","rawPath":"/","headers":{"content-type":"application/json"},
            "requestContext":{"requestId":"JKJaXmPLvHcESHA=","http":{"method":"POST"}},
            "body":"{\"Amount\":149.62,\"V1\":-1.36}","isBase64Encoded":false}"#;
        let event: Event = serde_json::from_str(event).unwrap();
        assert_eq!(event.request_context.request_id, "JKJaXmPLvHcESHA=");
        let mut sent = String::new();
        let answer = answer(&config(), event, async |row| {
            sent = row;
            Ok(b"6.976925305934856e-06\n".to_vec())
        })
        .await;
        assert_eq!(sent, "-1.36,149.62");
        assert!(answer.failure.is_none());
        insta::assert_json_snapshot!(answer.response, @r#"
        {
          "statusCode": 200,
          "headers": {
            "content-type": "application/json"
          },
          "body": "{\"is_fraud\": false, \"fraud_score\": 6.976925305934856e-06}",
          "isBase64Encoded": false
        }
        "#);
    }

    #[tokio::test]
    async fn a_base64_body_is_decoded_and_a_broken_one_refused() {
        for (body, status) in [("eyJWMSI6MSwiQW1vdW50IjoyfQ==", 200), ("{\"V1\":1}", 400), ("/w==", 400)] {
            let event = Event { body: Some(body.to_owned()), is_base64_encoded: true, ..Event::default() };
            let answer = answer(&config(), event, async |_| Ok(b"0.5".to_vec())).await;
            assert_eq!(answer.response.status_code, status, "{body}: {}", answer.response.body);
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_before_it_is_read_and_without_a_call() {
        let padded = |bytes: usize| format!("{:<bytes$}", r#"{"V1":1,"Amount":2}"#);
        let status = async |body: String, is_base64_encoded: bool| {
            let event = Event { body: Some(body), is_base64_encoded, ..Event::default() };
            answer(&config(), event, async |_| Ok(b"0.5".to_vec())).await.response
        };
        // Over the limit in base64, within it decoded.
        for (bytes, expected) in [(1023, 200), (1024, 200), (1025, 413), (1026, 413)] {
            assert_eq!(status(padded(bytes), false).await.status_code, expected, "{bytes}");
            assert_eq!(status(STANDARD.encode(padded(bytes)), true).await.status_code, expected, "{bytes} in base64");
        }
        assert_eq!(status("{".repeat(2000), false).await.status_code, 413);
        insta::assert_snapshot!(status(padded(1025), false).await.body, @r#"{"error": "the body has 1025 bytes, and at most 1024 are taken"}"#);
    }

    #[tokio::test]
    async fn a_bad_body_is_refused_without_a_call() {
        let event = Event { body: Some(r#"{"V1":"4111 1111"}"#.to_owned()), ..Event::default() };
        let answer = answer(&config(), event, async |_| unreachable!("nothing may be sent")).await;
        assert_eq!(answer.response.status_code, 400);
        insta::assert_snapshot!(answer.response.body, @r#"{"error":"the body must hold exactly the model's features as numbers: 1 missing, 1 neither a number within range nor null","missing":["Amount"],"unknown":[],"not_numbers":["V1"]}"#);
        assert_eq!(answer.failure.unwrap().class, "bad-request");
    }

    #[tokio::test]
    async fn a_request_without_a_body_is_refused() {
        let event: Event = serde_json::from_str("{}").unwrap();
        let answer = answer(&config(), event, async |_| unreachable!("nothing may be sent")).await;
        assert_eq!(answer.response.status_code, 400);
    }

    #[tokio::test]
    async fn the_threshold_itself_decides_yes() {
        for (score, body) in [
            ("0.5", r#"{"is_fraud": true, "fraud_score": 0.5}"#),
            ("0.49999999999999994", r#"{"is_fraud": false, "fraud_score": 0.49999999999999994}"#),
            ("1", r#"{"is_fraud": true, "fraud_score": 1.0}"#),
        ] {
            assert_eq!(ask_well(score).await.response.body, body);
        }
    }

    #[tokio::test]
    async fn anything_but_one_finite_score_is_a_bad_gateway() {
        for reply in ["", "\n", "0.1,0.2", "0.1\n0.2\n", "nan", "inf", "<html>", "[0.1]"] {
            let answer = ask_well(reply).await;
            assert_eq!(answer.response.status_code, 502, "{reply:?}");
            assert_eq!(answer.failure.unwrap().class, "bad-model-answer");
        }
        for reply in ["0.1", "0.1\n", " 0.1\r\n", "0.1,"] {
            assert_eq!(ask_well(reply).await.response.status_code, 200, "{reply:?}");
        }
    }

    #[tokio::test]
    async fn the_strongest_contributions_are_the_reasons() {
        let bodies = [
            ask_for_reasons(2, "0.9,-0.25,2.13,-1.5\n").await,
            ask_for_reasons(1, "0.9,-0.25,2.13,-1.5\n").await,
            ask_for_reasons(3, "0.9,1e-5,-2.13,-1.5").await,
            // Alike in strength: the order of the features. And what adds nothing is no reason.
            ask_for_reasons(2, "0.9,-1.5,1.5,0.25").await,
            ask_for_reasons(2, "0.9,0.0,1.5,0.25").await,
        ]
        .map(|answer| answer.response.body);
        insta::assert_snapshot!(bodies.join("\n"), @r#"
        {"is_fraud": true, "fraud_score": 0.9, "reasons": [{"feature": "Amount", "contribution": 2.13}, {"feature": "V1", "contribution": -0.25}]}
        {"is_fraud": true, "fraud_score": 0.9, "reasons": [{"feature": "Amount", "contribution": 2.13}]}
        {"is_fraud": true, "fraud_score": 0.9, "reasons": [{"feature": "Amount", "contribution": -2.13}, {"feature": "V1", "contribution": 1e-05}]}
        {"is_fraud": true, "fraud_score": 0.9, "reasons": [{"feature": "V1", "contribution": -1.5}, {"feature": "Amount", "contribution": 1.5}]}
        {"is_fraud": true, "fraud_score": 0.9, "reasons": [{"feature": "Amount", "contribution": 1.5}]}
        "#);
    }

    #[tokio::test]
    async fn a_container_that_gives_the_score_alone_leaves_the_reasons_out() {
        let answer = ask_for_reasons(2, "0.9\n").await;
        assert_eq!(answer.response.body, r#"{"is_fraud": true, "fraud_score": 0.9}"#);
        assert!(answer.reasons_unavailable);
        assert!(!ask_for_reasons(2, "0.9,-0.25,2.13,-1.5").await.reasons_unavailable);
        assert!(!ask_for_reasons(0, "0.9").await.reasons_unavailable);
    }

    #[tokio::test]
    async fn another_number_of_contributions_is_a_bad_gateway() {
        let mut details = Vec::new();
        for reply in
            ["0.9,1", "0.9,1,2", "0.9,1,2,3,4", "0.9,1,nan,3", "0.9,1,x,3", "0.9\n1,2,3", "0.9,1,2,3\n0.9,1,2,3", ""]
        {
            let answer = ask_for_reasons(2, reply).await;
            assert_eq!(answer.response.status_code, 502, "{reply:?}");
            details.push(answer.failure.unwrap().detail);
        }
        assert_eq!(ask_for_reasons(0, "0.9,1,2,3").await.response.status_code, 502);
        insta::assert_snapshot!(details.join("\n"), @"
        the answer holds contributions of 0 features instead of 2
        the answer holds contributions of 1 features instead of 2
        the answer holds contributions of 3 features instead of 2
        the answer is not a finite number
        the answer is not a finite number
        the answer holds 4 values
        the answer holds 8 values
        the answer holds 0 values
        ");
    }

    #[tokio::test]
    async fn each_fault_has_its_answer_and_none_leaks_its_detail() {
        let kinds = [
            FaultKind::NoEndpoint,
            FaultKind::Invalid,
            FaultKind::Model { status: Some(415) },
            FaultKind::Model { status: Some(500) },
            FaultKind::Model { status: None },
            FaultKind::Busy,
            FaultKind::Unavailable,
            FaultKind::TimedOut,
            FaultKind::Denied,
            FaultKind::Failed,
        ];
        let mut table = Vec::new();
        for kind in kinds {
            let fault = Fault { kind, detail: "arn:aws:iam::123456789012:role/internal".to_owned() };
            let answer = ask(r#"{"V1":1,"Amount":2}"#, Err(fault)).await;
            let Response { status_code, mut headers, body, .. } = answer.response;
            assert_eq!(headers.remove("content-type").unwrap(), "application/json");
            let failure = answer.failure.unwrap();
            assert_eq!(failure.detail, "arn:aws:iam::123456789012:role/internal");
            table.push(format!("{status_code} {:<13} {body} {headers:?}", failure.class));
        }
        insta::assert_snapshot!(table.join("\n"), @r#"
        503 no-endpoint   {"error": "the model is not being served at the moment"} {"retry-after": "30"}
        400 invalid-call  {"error": "the model's endpoint refused the request as invalid"} {}
        422 model-refused {"error": "the model refused the request"} {"x-model-status": "415"}
        502 model-failed  {"error": "the model failed"} {"x-model-status": "500"}
        502 model-failed  {"error": "the model failed"} {}
        503 busy          {"error": "the model has no capacity at the moment"} {"retry-after": "1"}
        503 unavailable   {"error": "the model's endpoint is unavailable at the moment"} {"retry-after": "1"}
        504 timed-out     {"error": "the model did not answer in time"} {}
        502 denied        {"error": "the function may not call the model's endpoint"} {}
        502 call-failed   {"error": "the model could not be asked"} {}
        "#);
    }

    #[test]
    fn scores_are_written_as_python_writes_them() {
        let cases = [
            (6.976_925_305_934_856e-6, "6.976925305934856e-06"),
            (1e-4, "0.0001"),
            (9.999e-5, "9.999e-05"),
            (1.0, "1.0"),
            (1e16, "1e+16"),
            (1e-300, "1e-300"),
            (-0.0, "-0.0"),
        ];
        for (number, text) in cases {
            assert_eq!(json_number(number), text);
            assert_eq!(serde_json::from_str::<f64>(text).unwrap().to_bits(), number.to_bits());
        }
    }
}
