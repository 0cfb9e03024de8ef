//! An issuer of tokens on this machine, with a key of its own.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::web::{Web, ok};

/// Serves its discovery document and its key, and signs what it is told to.
pub(crate) struct Issuer {
    web: Web,
    key: RsaKeyPair,
}

impl Issuer {
    /// One with a fresh key.
    pub(crate) fn new() -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let (n, e) = numbers(key.public_key().as_ref());
        let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let keys = json!({ "keys": [{ "kty": "RSA", "kid": "test", "alg": "RS256", "n": encode(n), "e": encode(e) }] });
        let web = Web::serving(|url| {
            let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
            vec![("/.well-known/openid-configuration", ok(&discovery.to_string())), ("/keys", ok(&keys.to_string()))]
        });
        Self { web, key }
    }

    /// What its tokens' `iss` says.
    pub(crate) fn url(&self) -> String {
        self.web.url("")
    }

    /// A `jwt:` block that accepts its tokens for `scores`, with these further keys.
    pub(crate) fn block(&self, more: &str) -> String {
        format!("{{ jwt: {{ issuer: \"{}\", audience: [scores]{more} }} }}", self.url())
    }

    /// A token for `scores` that is good for an hour, with these claims in addition or instead.
    pub(crate) fn token(&self, more: &Json) -> String {
        let now = Timestamp::now().as_second();
        let mut claims = json!({ "iss": self.url(), "aud": "scores", "sub": "tester", "iat": now, "exp": now + 3600 });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let encode = |part: &Json| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&json!({ "alg": "RS256", "typ": "JWT", "kid": "test" })), encode(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Modulus and exponent of an `RSAPublicKey` in DER: a sequence of two integers.
fn numbers(der: &[u8]) -> (&[u8], &[u8]) {
    fn value(der: &[u8], tag: u8) -> (&[u8], &[u8]) {
        assert_eq!(der[0], tag);
        let (length, start) = match der[1] {
            short @ 0..=0x7f => (usize::from(short), 2),
            long => {
                let bytes = usize::from(long & 0x7f);
                (der[2..2 + bytes].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), 2 + bytes)
            }
        };
        der[start..].split_at(length)
    }
    let (sequence, _) = value(der, 0x30);
    let (n, rest) = value(sequence, 2);
    let (e, _) = value(rest, 2);
    (n.strip_prefix(&[0]).unwrap_or(n), e)
}
