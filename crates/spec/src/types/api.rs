//! Who may call the API, how often, from where, and what is remembered of it.

/// Who may call the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Anybody who knows the URL.
    #[default]
    None,
    /// Whoever signs with AWS credentials that may invoke the API.
    Iam,
    /// Whoever has a token.
    Jwt(Jwt),
}

/// Which tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// `https://…`, exactly as the tokens' `iss` says it; `http://` on this machine alone.
    pub issuer: String,
    /// One of these must be the token's `aud`, or its `client_id` when it has no `aud`; 1 to 50.
    pub audience: Vec<String>,
    /// The token must have one of these, if there are any; at most 10.
    pub scopes: Vec<String>,
}

/// How many requests the gateway lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// 1 to 10,000. Default 100.
    pub rate_per_s: i32,
    /// 1 to 5,000. Default 200.
    pub burst: i32,
}

/// Which web pages may call the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Such as `https://app.example`, or `*` for all; at least one.
    pub origins: Vec<String>,
    /// In lower case. Default: what a request with this `auth` needs.
    pub headers: Vec<String>,
    /// Seconds that a browser remembers the answer, -1 to 86,400. Default 300.
    pub max_age_s: i32,
    /// Whether cookies and such may be sent.
    pub credentials: bool,
}

/// Where the smoke test has its token from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A variable of the environment.
    Env(String),
    /// A program and its arguments, which prints it.
    Command(Vec<String>),
}

impl Default for Throttle {
    fn default() -> Self {
        Self { rate_per_s: 100, burst: 200 }
    }
}
