//! Signature Version 4, verified: header signatures of every service but S3, whose own library checks them.

use std::time::{Duration, SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::call::Caller;
use crate::{Cloud, Config};

/// How far a request's clock may be off. Source: every AWS "Signature expired" message.
const MAX_SKEW_MIN: i64 = 15;

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// [`RESERVED`] within a path.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// A key that this cloud gave out.
#[derive(Clone)]
pub struct Key {
    /// What requests are signed with.
    pub secret_access_key: String,
    /// What `X-Amz-Security-Token` must say; none for the account's own key.
    pub session_token: Option<String>,
    /// When it ends; none when it does not.
    pub expires: Option<Timestamp>,
    /// Whom it stands for.
    pub caller: Caller,
}

impl Key {
    /// Whether it is of a session that has ended.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Why a signature was not accepted. A protocol gives it code and status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// No `Authorization` header, or not one of Signature Version 4.
    #[error("Missing Authentication Token")]
    Missing,
    /// The header lacks a part.
    #[error("{0}")]
    Incomplete(String),
    /// Nobody has this key, or its session token is another's.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session has ended.
    #[error("The security token included in the request is expired")]
    Expired,
    /// Key known, signature wrong, stale or for another place.
    #[error("{0}")]
    Mismatch(String),
}

/// The parts of a Signature Version 4 `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Key id.
    pub access_key_id: &'a str,
    /// `YYYYMMDD`.
    pub date: &'a str,
    /// Region of the scope.
    pub region: &'a str,
    /// Signing name, for example `apigateway`.
    pub service: &'a str,
    /// Names separated by `;`.
    pub signed_headers: &'a str,
    /// Lower-case hex.
    pub signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads the header.
    pub fn parse(headers: &'a HeaderMap) -> Result<Self, Unverified> {
        let value = headers.get(http::header::AUTHORIZATION).ok_or(Unverified::Missing)?;
        let value = value.to_str().map_err(|_| Unverified::Missing)?;
        let fields = value.strip_prefix("AWS4-HMAC-SHA256").ok_or(Unverified::Missing)?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| Unverified::Incomplete(format!("Authorization header requires '{name}' parameter.")))
        };
        let mut scope = field("Credential")?.rsplitn(5, '/');
        let mut part = || {
            scope.next().filter(|part| !part.is_empty()).ok_or_else(|| {
                Unverified::Incomplete("Credential must have exactly 5 slash-delimited elements.".to_owned())
            })
        };
        let terminal = part()?;
        let (service, region, date, access_key_id) = (part()?, part()?, part()?, part()?);
        if terminal != "aws4_request" {
            let text = "Credential should be scoped with a valid terminator: 'aws4_request'.";
            return Err(Unverified::Incomplete(text.to_owned()));
        }
        let (signed_headers, signature) = (field("SignedHeaders")?, field("Signature")?);
        Ok(Self { access_key_id, date, region, service, signed_headers, signature })
    }
}

/// The key with this id: the account's own, or that of a session from [`Iam::session`](crate::service::iam::Iam::session).
/// For `s3s`, which checks signatures itself but not session tokens.
pub fn secret_of(cloud: &Cloud, access_key_id: &str) -> Option<Key> {
    let config = &cloud.config;
    if access_key_id == config.access_key_id {
        let arn = format!("arn:{}:iam::{}:user/local", config.partition(), config.account);
        return Some(Key {
            secret_access_key: config.secret_access_key.clone(),
            session_token: None,
            expires: None,
            caller: Caller { arn, role: None },
        });
    }
    cloud.iam.key(access_key_id)
}

/// Checks a request whose whole body is known, and says who sent it.
pub fn verify(cloud: &Cloud, parts: &Parts, body: &Bytes) -> Result<Caller, Unverified> {
    claimed(cloud, parts)?.verify(parts, body)
}

/// What the head of a request claims, and what of it could be checked: everything, if the head has the body's hash, else
/// everything but the signature itself.
pub struct Claimed {
    key: Key,
    date: SignedDate,
    /// What the body must hash to, in lower-case hex; the signature is good for it.
    hash: Option<String>,
}

/// Checks a request as far as its head allows, so that nobody else's body is read.
pub fn claimed(cloud: &Cloud, parts: &Parts) -> Result<Claimed, Unverified> {
    claimed_at(cloud, parts, Timestamp::now())
}

fn claimed_at(cloud: &Cloud, parts: &Parts, now: Timestamp) -> Result<Claimed, Unverified> {
    let authorization = Authorization::parse(&parts.headers)?;
    let key = secret_of(cloud, authorization.access_key_id).ok_or(Unverified::UnknownKey)?;
    let token = header(&parts.headers, "x-amz-security-token");
    if !same(token.unwrap_or_default(), key.session_token.as_deref().unwrap_or_default()) {
        return Err(Unverified::UnknownKey);
    }
    if key.has_ended(now) {
        return Err(Unverified::Expired);
    }
    check_region(&authorization, &cloud.config)?;
    let date = signed_date(&parts.headers, &authorization, now)?;
    let hash = header(&parts.headers, "x-amz-content-sha256").filter(|hash| is_hash(hash)).map(str::to_owned);
    let claimed = Claimed { key, date, hash };
    if let Some(hash) = &claimed.hash {
        claimed.check(&authorization, parts, hash)?;
    }
    Ok(claimed)
}

impl Claimed {
    /// Checks the rest, and says who sent it.
    pub fn verify(self, parts: &Parts, body: &Bytes) -> Result<Caller, Unverified> {
        let hash = hex::encode(Sha256::digest(body));
        match &self.hash {
            Some(signed) if *signed == hash => {}
            Some(_) => return Err(mismatch()),
            None => self.check(&Authorization::parse(&parts.headers)?, parts, &hash)?,
        }
        Ok(self.key.caller)
    }

    fn check(&self, authorization: &Authorization<'_>, parts: &Parts, hash: &str) -> Result<(), Unverified> {
        let expected = signature(authorization, parts, hash, &self.key.secret_access_key, &self.date)?;
        if same(&expected, authorization.signature) { Ok(()) } else { Err(mismatch()) }
    }
}

/// Whether a text is a SHA-256 as signatures have it, and none of the words that stand for one.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether two secrets are equal, in a time that does not tell where they differ.
pub fn same(left: &str, right: &str) -> bool {
    let (left, right) = (Sha256::digest(left), Sha256::digest(right));
    left.iter().zip(right.iter()).fold(0, |difference, (left, right)| difference | (left ^ right)) == 0
}

/// Text encoded as RFC 3986 has it.
pub(crate) fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Hex HMAC-SHA256.
pub(crate) fn hmac_hex(key: &str, text: &str) -> String {
    calculate_signature(key, text.as_bytes())
}

fn mismatch() -> Unverified {
    Unverified::Mismatch(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
         Key and signing method. Consult the service documentation for details."
            .to_owned(),
    )
}

/// Services with a global address. Its requests are signed for the first region of the partition; a client that was
/// given an endpoint of its own signs them for its own region. Source: `endpoint-rule-set` of both services in botocore.
const GLOBAL: [&str; 2] = ["iam", "sts"];

fn check_region(authorization: &Authorization<'_>, config: &Config) -> Result<(), Unverified> {
    let global = GLOBAL.contains(&authorization.service) && authorization.region == config.global_region();
    if global || authorization.region == config.region {
        return Ok(());
    }
    Err(Unverified::Mismatch(format!("Credential should be scoped to a valid region, not '{}'.", authorization.region)))
}

/// The `X-Amz-Date` (`YYYYMMDD'T'HHMMSS'Z'`), checked against the clock and the scope.
fn signed_date(
    headers: &HeaderMap,
    authorization: &Authorization<'_>,
    now: Timestamp,
) -> Result<SignedDate, Unverified> {
    let incomplete = || {
        let text = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
        Unverified::Incomplete(text.to_owned())
    };
    let text = header(headers, "x-amz-date").ok_or_else(incomplete)?;
    let time = parse_date(text).ok_or_else(incomplete)?;
    if !text.starts_with(authorization.date) {
        return Err(Unverified::Mismatch(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', \
             from '{text}'.",
            authorization.date,
            &text[..8]
        )));
    }
    let skew_s = now.as_second() - time.as_second();
    let clock = now.strftime("%Y%m%dT%H%M%SZ");
    let shown = |shift_min: i64| {
        Timestamp::from_second(now.as_second() + shift_min * 60).unwrap_or(now).strftime("%Y%m%dT%H%M%SZ").to_string()
    };
    if skew_s > MAX_SKEW_MIN * 60 {
        let limit = shown(-MAX_SKEW_MIN);
        let text = format!("Signature expired: {text} is now earlier than {limit} ({clock} - {MAX_SKEW_MIN} min.)");
        return Err(Unverified::Mismatch(text));
    }
    if skew_s < -MAX_SKEW_MIN * 60 {
        let limit = shown(MAX_SKEW_MIN);
        let text =
            format!("Signature not yet current: {text} is still later than {limit} ({clock} + {MAX_SKEW_MIN} min.)");
        return Err(Unverified::Mismatch(text));
    }
    Ok(SignedDate { text: text.to_owned(), time })
}

struct SignedDate {
    text: String,
    time: Timestamp,
}

impl SignedDate {
    fn system_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(self.time.as_second()).unwrap_or_default())
    }
}

pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    if text.len() != 16 || !text.is_ascii() {
        return None;
    }
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// What the signature should be.
fn signature(
    authorization: &Authorization<'_>,
    parts: &Parts,
    hash: &str,
    secret: &str,
    date: &SignedDate,
) -> Result<String, Unverified> {
    let request = canonical_request(authorization.signed_headers, parts, hash)?;
    let Authorization { date: day, region, service, .. } = authorization;
    let hash = hex::encode(Sha256::digest(request));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{day}/{region}/{service}/aws4_request\n{hash}", date.text);
    let key = generate_signing_key(secret, date.system_time(), region, service);
    Ok(calculate_signature(key, text.as_bytes()))
}

fn canonical_request(signed_headers: &str, parts: &Parts, hash: &str) -> Result<String, Unverified> {
    use std::fmt::Write as _;

    let names: Vec<&str> = signed_headers.split(';').collect();
    if !names.contains(&"host") {
        return Err(Unverified::Mismatch(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into(),
        ));
    }
    if let Some(open) =
        parts.headers.keys().find(|name| must_be_signed(name.as_str()) && !names.contains(&name.as_str()))
    {
        return Err(Unverified::Mismatch(format!("'{open}' must be a 'SignedHeader' in the AWS Authorization.")));
    }
    let mut headers = String::new();
    for name in names {
        let values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let values: Vec<String> =
            values.map(|value| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let _ = writeln!(headers, "{name}:{}", values.join(","));
    }
    let path = canonical_path(parts.uri.path());
    let query = canonical_query(parts.uri.query().unwrap_or_default());
    Ok(format!("{}\n{path}\n{query}\n{headers}\n{signed_headers}\n{hash}", parts.method))
}

/// What decides the meaning of a request must not be open to change on the way.
fn must_be_signed(name: &str) -> bool {
    matches!(name, "x-amz-date" | "x-amz-target" | "x-amz-security-token")
}

/// The path without `.`, `..` and empty segments, encoded once more, as all services but S3 sign it.
fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    let path = format!("/{}{slash}", kept.join("/"));
    utf8_percent_encode(&path, RESERVED_IN_PATH).to_string()
}

fn canonical_query(query: &str) -> String {
    let encode = |text: &str| {
        let text = percent_decode_str(text).collect::<Vec<u8>>();
        percent_encoding::percent_encode(&text, RESERVED).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
