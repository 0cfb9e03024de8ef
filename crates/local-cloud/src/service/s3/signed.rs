//! AWS's limits of signatures, checked before `s3s` computes a signature: how long, for which region, over which headers.
//!
//! `s3s` knows neither the region nor most of these limits. Sources: "Authenticating Requests (AWS Signature Version 4)"
//! and "Error responses" of the S3 API reference.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};

use super::refuse;
use crate::call::Refusal;
use crate::signature::{Authorization, parse_date};

/// Most seconds that a presigned URL of version 4 is valid for: seven days.
const MAX_EXPIRES_S: i64 = 604_800;
/// Most seconds between the clocks of client and server.
const MAX_SKEW_S: i64 = 900;
/// Regions that take version 2: those of before 2014. Source: botocore's `endpoints.json`, `signatureVersions` of S3.
const VERSION_2: [&str; 9] = [
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "eu-west-1",
    "sa-east-1",
    "us-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// The service that a presigned request is signed for; none when it is not presigned.
pub(crate) fn presigned_service(query: &str) -> Option<String> {
    let query = Query(query);
    if query.get("X-Amz-Signature").is_some() || query.get("X-Amz-Algorithm").is_some() {
        let credential = query.get("X-Amz-Credential").unwrap_or_default();
        let service = credential.rsplit('/').nth(1).filter(|service| !service.is_empty());
        return Some(service.unwrap_or("s3").to_owned());
    }
    let version_2 = query.get("Signature").is_some() && query.get("AWSAccessKeyId").is_some();
    version_2.then(|| "s3".to_owned())
}

/// Whether a request is signed by the header of version 2.
pub(crate) fn is_signed_by_version_2(headers: &HeaderMap) -> bool {
    text(headers, "authorization").is_some_and(|value| value.starts_with("AWS "))
}

/// Whether a request is a form that uploads an object.
pub(crate) fn is_post_form(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::POST && text(headers, "content-type").is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// Whether a request is for S3 Control, which is signed as S3 is.
pub(crate) fn is_control(headers: &HeaderMap, path: &str) -> bool {
    headers.contains_key("x-amz-account-id") && path.starts_with("/v20180820/")
}

/// Refuses a signature that is outside of AWS's limits. Whether it is right is for `s3s` to say.
pub(super) fn check(parts: &Parts, region: &str, now: Timestamp) -> Result<(), Refusal> {
    let query = Query(parts.uri.query().unwrap_or_default());
    if is_signed_by_version_2(&parts.headers) {
        return Err(Refusal::not_offered("signatures of version 2 in the `Authorization` header"));
    }
    if query.get("Signature").is_some() && query.get("AWSAccessKeyId").is_some() {
        return check_version_2(&query, region, now);
    }
    if query.get("X-Amz-Algorithm").is_some() || query.get("X-Amz-Signature").is_some() {
        return check_presigned(parts, &query, region, now);
    }
    match Authorization::parse(&parts.headers) {
        Ok(authorization) => check_header(&authorization, &parts.headers, region, now),
        Err(_) => Ok(()),
    }
}

fn check_header(
    authorization: &Authorization<'_>,
    headers: &HeaderMap,
    region: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let malformed = |why: String| Refusal::new(400, "AuthorizationHeaderMalformed", why);
    if authorization.region != region {
        let given = authorization.region;
        let why = format!("The authorization header is malformed; the region '{given}' is wrong; expecting '{region}'");
        return Err(malformed(why).with("Region", region));
    }
    let Some(date) = text(headers, "x-amz-date") else { return Ok(()) };
    let Some(time) = parse_date(date) else {
        let why = "AWS authentication requires a valid Date or x-amz-date header";
        return Err(Refusal::new(403, "AccessDenied", why));
    };
    if !date.starts_with(authorization.date) {
        let (given, day) = (authorization.date, date.get(..8).unwrap_or_default());
        return Err(malformed(format!(
            "The authorization header is malformed; Invalid credential date \"{given}\". This date is not the same as \
             X-Amz-Date: \"{day}\"."
        )));
    }
    if now.duration_since(time).abs() > SignedDuration::from_secs(MAX_SKEW_S) {
        let why = "The difference between the request time and the current time is too large.";
        let refused = Refusal::new(403, "RequestTimeTooSkewed", why).with("RequestTime", date);
        return Err(refused.with("ServerTime", shown(now)).with("MaxAllowedSkewMilliseconds", MAX_SKEW_S * 1000));
    }
    check_signed_headers(authorization.signed_headers, headers)
}

/// What decides the meaning of a request must not be open to change on the way.
fn check_signed_headers(signed: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let signed: Vec<&str> = signed.split(';').collect();
    let must = |name: &str| name == "host" || name.starts_with("x-amz-");
    let open: Vec<&str> =
        headers.keys().map(http::HeaderName::as_str).filter(|name| must(name) && !signed.contains(name)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let why = "There were headers present in the request which were not signed";
    Err(Refusal::new(403, "AccessDenied", why).with("HeadersNotSigned", open.join(", ")))
}

fn check_presigned(parts: &Parts, query: &Query<'_>, region: &str, now: Timestamp) -> Result<(), Refusal> {
    let wrong = |why: String| Refusal::new(400, "AuthorizationQueryParametersError", why);
    let names = ["X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires"];
    let [credential, _, date, signed, expires] = names.map(|name| query.get(name));
    let (Some(credential), Some(date), Some(signed), Some(expires)) = (credential, date, signed, expires) else {
        let why = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                   X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
        return Err(wrong(why.to_owned()));
    };
    if query.get("X-Amz-Algorithm").is_none_or(|algorithm| algorithm != "AWS4-HMAC-SHA256") {
        return Err(wrong("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"".to_owned()));
    }
    let expires_s = match expires.parse::<i64>() {
        Ok(0..=MAX_EXPIRES_S) => expires.parse::<i64>().unwrap_or_default(),
        Ok(..0) => return Err(wrong("X-Amz-Expires must be non-negative".to_owned())),
        Ok(_) => {
            let why = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be \
                       less than 604800 seconds";
            return Err(wrong(why.to_owned()));
        }
        Err(_) => return Err(wrong("X-Amz-Expires should be a number".to_owned())),
    };
    let Some(time) = parse_date(&date) else {
        let why = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
        return Err(wrong(why.to_owned()));
    };
    check_scope(&credential, &date, region)?;
    let (end, begin) = (time + SignedDuration::from_secs(expires_s), time - SignedDuration::from_secs(MAX_SKEW_S));
    if now > end {
        let refused = Refusal::new(403, "AccessDenied", "Request has expired");
        return Err(refused
            .with("X-Amz-Expires", expires_s)
            .with("Expires", shown(end))
            .with("ServerTime", shown(now)));
    }
    if now < begin {
        let refused = Refusal::new(403, "AccessDenied", "Request is not valid yet");
        return Err(refused.with("X-Amz-Date", date).with("ServerTime", shown(now)));
    }
    let mut headers = parts.headers.clone();
    // The body's digest decides nothing that the URL allows, and a client may send it beside the URL.
    headers.remove("x-amz-content-sha256");
    headers.remove("x-amz-user-agent");
    check_signed_headers(&signed, &headers)
}

/// Checks `<key>/<date>/<region>/s3/aws4_request`.
pub(super) fn check_scope(credential: &str, date: &str, region: &str) -> Result<(), Refusal> {
    let wrong = |why: String| {
        let why = format!("Error parsing the X-Amz-Credential parameter; {why}");
        Refusal::new(400, "AuthorizationQueryParametersError", why)
    };
    let scope: Vec<&str> = credential.rsplitn(5, '/').collect();
    let [terminal, service, given, day, _] = scope[..] else {
        let why = "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
        return Err(wrong(why.to_owned()));
    };
    if !date.starts_with(day) || day.len() != 8 {
        return Err(wrong(format!(
            "Invalid credential date \"{day}\". This date is not the same as X-Amz-Date: \"{date}\"."
        )));
    }
    if given != region {
        return Err(wrong(format!("the region '{given}' is wrong; expecting '{region}'")).with("Region", region));
    }
    if service != "s3" {
        return Err(wrong(format!("incorrect service \"{service}\". This endpoint belongs to \"s3\".")));
    }
    if terminal != "aws4_request" {
        return Err(wrong(format!("incorrect terminal \"{terminal}\". This endpoint uses \"aws4_request\".")));
    }
    Ok(())
}

fn check_version_2(query: &Query<'_>, region: &str, now: Timestamp) -> Result<(), Refusal> {
    if !VERSION_2.contains(&region) {
        return Err(version_2_is_refused());
    }
    let Some(end) = query.get("Expires").and_then(|expires| Timestamp::from_second(expires.parse().ok()?).ok()) else {
        let why = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
        return Err(Refusal::new(403, "AccessDenied", why));
    };
    if now > end {
        let refused = Refusal::new(403, "AccessDenied", "Request has expired");
        return Err(refused.with("Expires", shown(end)).with("ServerTime", shown(now)));
    }
    Ok(())
}

/// Whether a region takes signatures of version 2.
pub(super) fn takes_version_2(region: &str) -> bool {
    VERSION_2.contains(&region)
}

pub(super) fn version_2_is_refused() -> Refusal {
    refuse::invalid_request(
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

/// Version 2 signs `x-amz-…`, `content-type` and `content-md5` as headers, and a client moves them into the query.
pub(super) fn move_to_headers(parts: &mut Parts) {
    let query = Query(parts.uri.query().unwrap_or_default());
    if query.get("Signature").is_none() || query.get("AWSAccessKeyId").is_none() {
        return;
    }
    let moved: Vec<(String, String)> = query
        .pairs()
        .filter(|(name, _)| name.starts_with("x-amz-") || matches!(&**name, "content-type" | "content-md5"))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    for (name, value) in moved {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), HeaderValue::try_from(value)) {
            parts.headers.entry(name).or_insert(value);
        }
    }
}

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Parameters of a query, decoded.
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    fn pairs(&self) -> form_urlencoded::Parse<'a> {
        form_urlencoded::parse(self.0.as_bytes())
    }

    fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const NOW: &str = "20260101T120000Z";

    fn refused(uri: &str, headers: &[(&str, &str)], region: &str) -> String {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        match check(&parts, region, parse_date(NOW).unwrap()) {
            Ok(()) => "accepted".to_owned(),
            Err(refusal) => {
                format!("{} {}: {} {:?}", refusal.status.as_u16(), refusal.code, refusal.message, refusal.members)
            }
        }
    }

    fn header(date: &str, region: &str, signed: &str) -> String {
        let scope = format!("{}/{region}/s3/aws4_request", &date[..8]);
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential=A/{scope}, SignedHeaders={signed}, Signature={}", "0".repeat(64));
        let headers =
            [("host", "h"), ("x-amz-date", date), ("x-amz-acl", "private"), ("authorization", &authorization)];
        refused("/b/k", &headers, "us-east-1")
    }

    #[test]
    fn a_header_is_for_this_region_this_time_and_every_header_of_amazon() {
        let all = "host;x-amz-acl;x-amz-date";
        assert_eq!(header(NOW, "us-east-1", all), "accepted");
        assert_eq!(header("20260101T114500Z", "us-east-1", all), "accepted");
        insta::assert_snapshot!(header(NOW, "eu-west-1", all), @r#"400 AuthorizationHeaderMalformed: The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1' [("Region", "us-east-1")]"#);
        insta::assert_snapshot!(header("20260101T114459Z", "us-east-1", all), @r#"403 RequestTimeTooSkewed: The difference between the request time and the current time is too large. [("RequestTime", "20260101T114459Z"), ("ServerTime", "2026-01-01T12:00:00Z"), ("MaxAllowedSkewMilliseconds", "900000")]"#);
        insta::assert_snapshot!(header(NOW, "us-east-1", "x-amz-date"), @r#"403 AccessDenied: There were headers present in the request which were not signed [("HeadersNotSigned", "host, x-amz-acl")]"#);
    }

    fn presigned(date: &str, expires: &str, region: &str) -> String {
        let uri = format!(
            "/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20260101%2F{region}%2Fs3%2Faws4_request\
             &X-Amz-Date={date}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
        );
        refused(&uri, &[("host", "h")], "us-east-1")
    }

    #[test]
    fn a_presigned_url_is_valid_for_a_week_at_most() {
        assert_eq!(presigned(NOW, "604800", "us-east-1"), "accepted");
        assert_eq!(presigned("20260101T115900Z", "60", "us-east-1"), "accepted");
        insta::assert_snapshot!(presigned(NOW, "604801", "us-east-1"), @"400 AuthorizationQueryParametersError: X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds []");
        insta::assert_snapshot!(presigned(NOW, "-1", "us-east-1"), @"400 AuthorizationQueryParametersError: X-Amz-Expires must be non-negative []");
        insta::assert_snapshot!(presigned(NOW, "soon", "us-east-1"), @"400 AuthorizationQueryParametersError: X-Amz-Expires should be a number []");
        insta::assert_snapshot!(presigned("20260101T115859Z", "60", "us-east-1"), @r#"403 AccessDenied: Request has expired [("X-Amz-Expires", "60"), ("Expires", "2026-01-01T11:59:59Z"), ("ServerTime", "2026-01-01T12:00:00Z")]"#);
        insta::assert_snapshot!(presigned("20260101T121501Z", "60", "us-east-1"), @r#"403 AccessDenied: Request is not valid yet [("X-Amz-Date", "20260101T121501Z"), ("ServerTime", "2026-01-01T12:00:00Z")]"#);
        insta::assert_snapshot!(presigned(NOW, "60", "eu-west-1"), @r#"400 AuthorizationQueryParametersError: Error parsing the X-Amz-Credential parameter; the region 'eu-west-1' is wrong; expecting 'us-east-1' [("Region", "us-east-1")]"#);
    }

    #[test]
    fn version_2_is_for_the_regions_of_before_2014() {
        let uri = |expires: i64| format!("/b/k?AWSAccessKeyId=A&Signature=x&Expires={expires}");
        let now = parse_date(NOW).unwrap().as_second();
        assert_eq!(refused(&uri(now), &[], "us-east-1"), "accepted");
        insta::assert_snapshot!(refused(&uri(now - 1), &[], "us-east-1"), @r#"403 AccessDenied: Request has expired [("Expires", "2026-01-01T11:59:59Z"), ("ServerTime", "2026-01-01T12:00:00Z")]"#);
        insta::assert_snapshot!(refused(&uri(now), &[], "ap-south-1"), @"400 InvalidRequest: The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256. []");
    }
}
