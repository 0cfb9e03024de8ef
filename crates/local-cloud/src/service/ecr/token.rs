//! What lets somebody in without a signature: the password of the registry, and addresses of layers.
//!
//! Both are signed with the account's secret and remembered nowhere, so they outlive a restart.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Ecr;
use crate::call::Caller;
use crate::signature::{hmac_hex, same};

/// How long a password holds. Source: AWS documentation, `GetAuthorizationToken`.
const TOKEN_S: i64 = 12 * 60 * 60;
/// How long the address of a layer holds.
const URL_S: i64 = 60 * 60;
/// The only user there is. Source: as above.
const USER: &str = "AWS";

/// `GetAuthorizationToken`: the password of whoever signed, who may do with it what he may do without it.
pub(super) fn give(ecr: &Ecr, caller: &Caller) -> Value {
    let expires = Timestamp::now().as_second() + TOKEN_S;
    let claim = json!([expires, caller.arn, caller.role]).to_string();
    let password = format!("{}.{}", URL_SAFE_NO_PAD.encode(&claim), ecr.sign("password", &claim));
    json!({ "authorizationData": [{
        "authorizationToken": BASE64.encode(format!("{USER}:{password}")),
        "expiresAt": expires,
        "proxyEndpoint": ecr.base_url,
    }] })
}

/// Whom a password was given to; none when it is not one of ours, or too old.
pub(super) fn caller(ecr: &Ecr, user: &str, password: &str) -> Option<Caller> {
    let (claim, signature) = password.split_once('.')?;
    let claim = String::from_utf8(URL_SAFE_NO_PAD.decode(claim).ok()?).ok()?;
    if user != USER || !same(signature, &ecr.sign("password", &claim)) {
        return None;
    }
    let (expires, arn, role): (i64, String, Option<String>) = serde_json::from_str(&claim).ok()?;
    (expires > Timestamp::now().as_second()).then_some(Caller { arn, role })
}

/// The address of a layer, which needs no password.
pub(super) fn download_url(ecr: &Ecr, repository: &str, digest: &str) -> String {
    let expires = Timestamp::now().as_second() + URL_S;
    let signature = ecr.sign("download", &format!("{repository} {digest} {expires}"));
    format!("{}/v2/{repository}/blobs/{digest}?expires={expires}&signature={signature}", ecr.base_url)
}

/// Whether the query is that of an address which was given out for this layer.
pub(super) fn is_download(ecr: &Ecr, repository: &str, digest: &str, query: &str) -> bool {
    let value = |name: &str| {
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let (Some(expires), Some(signature)) = (value("expires"), value("signature")) else { return false };
    let holds = expires.parse::<i64>().is_ok_and(|expires| expires > Timestamp::now().as_second());
    holds && same(&signature, &ecr.sign("download", &format!("{repository} {digest} {expires}")))
}

impl Ecr {
    fn sign(&self, purpose: &str, text: &str) -> String {
        hmac_hex(&self.secret.0, &format!("ecr {purpose}\n{text}"))
    }
}

/// Seconds since 1970, to the millisecond, as the wire has it.
pub(super) fn now() -> f64 {
    Timestamp::now().as_millisecond() as f64 / 1000.0
}

/// A version 4 UUID.
pub(super) fn uuid() -> String {
    let id = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let text = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
