//! Tokens: read, and judged as API Gateway judges them.
//!
//! Source: "Control access to HTTP APIs with JWT authorizers": the algorithm and the signature first, then the claims.
//! The descriptions of refusals follow those that users have shown, and Go's `jwt` library, whose words some are; what
//! AWS says of a token that is too young, too old or of another issuer nobody has written down.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::authorizer::JwtConfiguration;

/// A token that has been read and not yet believed.
#[derive(Debug)]
pub(super) struct Token<'a> {
    parameters: &'static RsaParameters,
    /// The key that is said to have signed it.
    pub(super) key_id: String,
    /// What was signed.
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

/// The claims of a token that is believed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claims(Map<String, Value>);

/// Why a token is not accepted, in the words of the `www-authenticate` header.
pub(super) type Rejection = String;

impl<'a> Token<'a> {
    /// Reads `header.claims.signature`.
    pub(super) fn read(text: &'a str) -> Result<Self, Rejection> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err("token contains an invalid number of segments".to_owned());
        };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "unable to decode the token".to_owned());
        let object = |part: &str| {
            serde_json::from_slice::<Map<String, Value>>(&decoded(part)?)
                .map_err(|_| "unable to decode the token".to_owned())
        };
        let header = object(header)?;
        // What the token itself names must be among what is accepted: it is its sender who wrote that.
        let parameters = match header.get("alg").and_then(Value::as_str).unwrap_or_default() {
            "RS256" => &RSA_PKCS1_2048_8192_SHA256,
            "RS384" => &RSA_PKCS1_2048_8192_SHA384,
            "RS512" => &RSA_PKCS1_2048_8192_SHA512,
            other => return Err(format!("signing method {} is invalid", plain(other))),
        };
        let key_id = header.get("kid").and_then(Value::as_str).ok_or("the token names no key")?.to_owned();
        let signed = &text[..text.len() - signature.len() - 1];
        Ok(Self { parameters, key_id, signed, signature: decoded(signature)?, claims: object(claims)? })
    }

    /// Whether the key signed it, and its claims are what the authorizer wants at this time, in seconds since 1970.
    pub(super) fn believe(self, key: &Value, wanted: &JwtConfiguration, now_s: i64) -> Result<Claims, Rejection> {
        self.check_signature(key)?;
        let claims = &self.claims;
        if claims.get("iss").and_then(Value::as_str) != Some(&wanted.issuer) {
            return Err("issuer does not match".to_owned());
        }
        // `client_id` counts only where there is no `aud`.
        let audience = claims.get("aud").or_else(|| claims.get("client_id")).map(texts).unwrap_or_default();
        if !audience.iter().any(|audience| wanted.audience.iter().any(|wanted| wanted == audience)) {
            return Err("the token does not have a valid audience".to_owned());
        }
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(time) => time.as_f64().map(Some).ok_or_else(|| format!("the token's {name} is no time")),
        };
        let now = now_s as f64;
        if time("exp")?.is_none_or(|end| end <= now) {
            return Err("the token has expired".to_owned());
        }
        if time("nbf")?.is_some_and(|begin| begin > now) {
            return Err("the token is not yet valid".to_owned());
        }
        if time("iat")?.is_some_and(|issued| issued > now) {
            return Err("the token was issued in the future".to_owned());
        }
        Ok(Claims(self.claims))
    }

    fn check_signature(&self, key: &Value) -> Result<(), Rejection> {
        let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok();
        let (Some(n), Some(e), "RSA") = (number("n"), number("e"), key["kty"].as_str().unwrap_or_default()) else {
            return Err("the key is no RSA key".to_owned());
        };
        let key = PublicKeyComponents { n, e };
        let verified = key.verify(self.parameters, self.signed.as_bytes(), &self.signature);
        verified.map_err(|_| "the signature is invalid".to_owned())
    }
}

impl Claims {
    /// From `scope`, separated by white space, or from `scp`, which may be a list.
    pub(super) fn scopes(&self) -> Vec<String> {
        let scopes = self.0.get("scope").or_else(|| self.0.get("scp")).map(texts).unwrap_or_default();
        scopes.into_iter().flat_map(|scopes| scopes.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// As text, which is how they are handed to functions and logs: lists in brackets, numbers in digits.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&String, String)> {
        self.0.iter().map(|(name, value)| (name, text(value)))
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        single => single.as_str().into_iter().collect(),
    }
}

/// Text of a stranger, as it may stand in a header.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(20).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
    };
    use serde_json::json;

    use super::*;

    /// A key of an issuer.
    pub(in super::super) struct Signer(RsaKeyPair);

    impl Signer {
        pub(in super::super) fn new() -> Self {
            Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
        }

        /// As a key set shows it.
        pub(in super::super) fn jwk(&self, id: &str) -> Value {
            let (n, e) = numbers(self.0.public_key().as_ref());
            let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
            json!({ "kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "n": encode(n), "e": encode(e) })
        }

        pub(in super::super) fn token(&self, header: &Value, claims: &Value) -> String {
            let encoding: &'static dyn RsaEncoding = match header["alg"].as_str().unwrap() {
                "RS384" => &RSA_PKCS1_SHA384,
                "RS512" => &RSA_PKCS1_SHA512,
                _ => &RSA_PKCS1_SHA256,
            };
            let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
            let signed = format!("{}.{}", encode(header), encode(claims));
            let mut signature = vec![0; self.0.public_modulus_len()];
            self.0.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
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

    const NOW: i64 = 1_800_000_000;

    fn wanted() -> JwtConfiguration {
        JwtConfiguration { issuer: "https://i.example".to_owned(), audience: vec!["a".to_owned(), "b".to_owned()] }
    }

    fn claims() -> Value {
        json!({ "iss": "https://i.example", "aud": "b", "exp": NOW + 60, "sub": "me" })
    }

    /// What is said of a token of this key, or its subject.
    fn judged(signer: &Signer, header: &Value, claims: &Value) -> String {
        let token = signer.token(header, claims);
        let read = Token::read(&token).and_then(|token| token.believe(&signer.jwk("k"), &wanted(), NOW));
        read.map_or_else(|rejection| rejection, |claims| claims.0["sub"].to_string())
    }

    #[test]
    fn a_token_is_accepted_by_each_rsa_algorithm_and_no_other() {
        let signer = Signer::new();
        for algorithm in ["RS256", "RS384", "RS512"] {
            assert_eq!(judged(&signer, &json!({ "alg": algorithm, "kid": "k" }), &claims()), "\"me\"", "{algorithm}");
        }
        for (algorithm, said) in [
            ("none", "signing method none is invalid"),
            ("HS256", "signing method HS256 is invalid"),
            ("ES256", "signing method ES256 is invalid"),
            ("PS256", "signing method PS256 is invalid"),
            ("\"\r\nx: y", "signing method xy is invalid"),
        ] {
            assert_eq!(judged(&signer, &json!({ "alg": algorithm, "kid": "k" }), &claims()), said);
        }
        assert_eq!(judged(&signer, &json!({ "alg": "RS256" }), &claims()), "the token names no key");
    }

    #[test]
    fn every_claim_counts() {
        let signer = Signer::new();
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            judged(&signer, &json!({ "alg": "RS256", "kid": "k" }), &claims)
        };
        let good = "\"me\"";
        let (audience, expired) = ("the token does not have a valid audience", "the token has expired");
        let cases = [
            ("iss", json!("https://i.example/"), "issuer does not match"),
            ("iss", json!(null), "issuer does not match"),
            ("aud", json!(["x", "a"]), good),
            ("aud", json!(["x"]), audience),
            ("aud", json!([]), audience),
            ("aud", json!(7), audience),
            ("exp", json!(NOW), expired),
            ("exp", json!(NOW + 1), good),
            ("exp", json!(NOW as f64 + 0.5), good),
            ("exp", json!("soon"), "the token's exp is no time"),
            ("exp", json!(null), "the token's exp is no time"),
            ("nbf", json!(NOW + 1), "the token is not yet valid"),
            ("nbf", json!(NOW), good),
            ("iat", json!(NOW + 1), "the token was issued in the future"),
            ("iat", json!(NOW), good),
        ];
        for (name, value, said) in cases {
            assert_eq!(with(name, value.clone()), said, "{name} {value}");
        }
        let without = |name: &str, more: Value| {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            judged(&signer, &json!({ "alg": "RS256", "kid": "k" }), &claims)
        };
        assert_eq!(without("exp", json!({})), expired);
        assert_eq!(without("aud", json!({})), audience);
        assert_eq!(without("aud", json!({ "client_id": "a" })), good);
        assert_eq!(without("aud", json!({ "client_id": "x" })), audience);
        assert_eq!(without("", json!({ "aud": "x", "client_id": "a" })), audience);
    }

    #[test]
    fn another_key_and_another_word_are_noticed() {
        let (signer, other) = (Signer::new(), Signer::new());
        let header = json!({ "alg": "RS256", "kid": "k" });
        let token = signer.token(&header, &claims());
        let said = |token: &str, key: &Value| {
            let read = Token::read(token).and_then(|token| token.believe(key, &wanted(), NOW));
            read.map_or_else(|rejection| rejection, |_| "accepted".to_owned())
        };
        let invalid = "the signature is invalid";
        assert_eq!(said(&token, &signer.jwk("k")), "accepted");
        assert_eq!(said(&token, &other.jwk("k")), invalid);
        let more =
            URL_SAFE_NO_PAD.encode(json!({ "iss": "https://i.example", "aud": "b", "exp": NOW + 999 }).to_string());
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(said(&format!("{}.{more}.{}", parts[0], parts[2]), &signer.jwk("k")), invalid);
        assert_eq!(said(&format!("{}.{}.", parts[0], parts[1]), &signer.jwk("k")), invalid);
        // A symmetric secret made of the public key is the classic attack.
        let key = json!({ "kty": "oct", "kid": "k", "k": signer.jwk("k")["n"] });
        assert_eq!(said(&token, &key), "the key is no RSA key");
        for text in ["", "x", "a.b", "a.b.c.d"] {
            assert_eq!(said(text, &signer.jwk("k")), "token contains an invalid number of segments", "{text}");
        }
        for text in ["a.b.c", "!.b.c", "e30.e30", "bnVsbA.e30.c2ln"] {
            let said = said(text, &signer.jwk("k"));
            assert!(said.starts_with("unable to decode") || said.contains("number of segments"), "{text}: {said}");
        }
    }

    #[test]
    fn scopes_are_words_and_claims_are_handed_on_as_text() {
        let of = |claims: Value| Claims(claims.as_object().unwrap().clone());
        assert_eq!(of(json!({ "scope": "read write" })).scopes(), ["read", "write"]);
        assert_eq!(of(json!({ "scp": ["read", "write all"] })).scopes(), ["read", "write", "all"]);
        assert_eq!(of(json!({ "scp": "read" })).scopes(), ["read"]);
        assert_eq!(of(json!({})).scopes(), Vec::<String>::new());
        let claims = of(json!({ "exp": 1_800_000_060, "groups": ["a", "b"], "ok": true, "sub": "me" }));
        let texts: Vec<String> = claims.texts().map(|(name, text)| format!("{name}={text}")).collect();
        assert_eq!(texts, ["exp=1800000060", "groups=[a b]", "ok=true", "sub=me"]);
    }
}
