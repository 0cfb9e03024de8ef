//! Proof that both ends of a connection know the account's secret, which neither sends.
//!
//! Whoever holds the cloud's port is not the cloud for that. A caller asks `GET /_local/health?nonce=…`; the answer has a
//! nonce of the cloud's and the cloud's proof over both. Then the caller's own proof opens one of the `/_local/` routes,
//! once, with the header `Authorization: LocalCloud nonce=…, proof=…`.

use crate::signature::hmac_hex;

/// The scheme of the `Authorization` header.
pub const SCHEME: &str = "LocalCloud";

/// What one exchange is about: both nonces, and where the caller believes the cloud to be.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The caller's nonce.
    pub caller: &'a str,
    /// The cloud's nonce.
    pub cloud: &'a str,
    /// `http://127.0.0.1:PORT`. It is in the proof, so that nobody on another port can pass the exchange on.
    pub base_url: &'a str,
}

impl Exchange<'_> {
    /// Shows that the cloud with this process id knows the secret.
    pub fn of_cloud(&self, secret: &str, pid: u32) -> String {
        self.hmac(secret, "cloud", &pid.to_string())
    }

    /// Shows that the caller of a route, for example `POST` and `stop`, knows the secret.
    pub fn of_caller(&self, secret: &str, method: &str, route: &str) -> String {
        self.hmac(secret, "caller", &format!("{method} {route}"))
    }

    fn hmac(&self, secret: &str, side: &str, what: &str) -> String {
        let Self { caller, cloud, base_url } = self;
        hmac_hex(secret, &format!("local-cloud proof of the {side}\n{base_url}\n{caller}\n{cloud}\n{what}"))
    }
}

/// A nonce: 128 bits that the operating system made.
pub fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Whether a text can be a nonce, so that it changes nothing but itself in what is proven.
pub fn is_nonce(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
