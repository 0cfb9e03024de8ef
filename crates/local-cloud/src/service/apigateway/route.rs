//! Route keys: read, compared, matched.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

/// What a route answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RouteKey {
    /// `$default`: whatever no other route answers.
    Default,
    /// `METHOD /path`; the method is `ANY` for all.
    Path {
        /// In upper case.
        method: String,
        /// Between the slashes.
        segments: Vec<Segment>,
    },
}

/// One part of a path. The order is the order of preference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// Exactly this.
    Literal(String),
    /// `{name}`: any one part that is not empty.
    Variable(String),
    /// `{name+}`, always last: all the rest, if there is any.
    Greedy(String),
}

const METHODS: &[&str] = &["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

impl RouteKey {
    /// Reads `$default` or `METHOD /path`.
    pub(super) fn parse(key: &str) -> Option<Self> {
        if key == "$default" {
            return Some(Self::Default);
        }
        let (method, path) = key.split_once(' ')?;
        let segments: Vec<Segment> = path.strip_prefix('/')?.split('/').map(Segment::parse).collect::<Option<_>>()?;
        let greedy_within = segments.iter().rev().skip(1).any(|segment| matches!(segment, Segment::Greedy(_)));
        (METHODS.contains(&method) && !greedy_within).then(|| Self::Path { method: method.to_owned(), segments })
    }

    /// Whether two keys name one variable differently at the same place, which AWS refuses.
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        let (Self::Path { segments: ours, .. }, Self::Path { segments: theirs, .. }) = (self, other) else {
            return false;
        };
        let differ = ours.iter().zip(theirs).find(|(our, their)| our != their);
        matches!(differ, Some((Segment::Variable(_), Segment::Variable(_)) | (Segment::Greedy(_), Segment::Greedy(_))))
    }

    /// The path variables when the route answers this request, decoded.
    pub(super) fn matches(&self, method: &str, path: &str) -> Option<BTreeMap<String, String>> {
        let Self::Path { method: ours, segments } = self else { return Some(BTreeMap::new()) };
        if ours != "ANY" && ours != method {
            return None;
        }
        let mut variables = BTreeMap::new();
        let mut rest = Some(path.strip_prefix('/').unwrap_or(path));
        for segment in segments {
            let text = rest?;
            let (part, remainder) = match segment {
                Segment::Greedy(_) => (text, None),
                _ => text.split_once('/').map_or((text, None), |(part, remainder)| (part, Some(remainder))),
            };
            let part = percent_decode_str(part).decode_utf8_lossy();
            match segment {
                Segment::Literal(literal) if *literal == part => {}
                Segment::Variable(name) | Segment::Greedy(name) if !part.is_empty() => {
                    variables.insert(name.clone(), part.into_owned());
                }
                _ => return None,
            }
            rest = remainder;
        }
        rest.is_none().then_some(variables)
    }

    /// Sorts routes that answer the same request: the lowest wins. Literals come before variables, variables before
    /// a greedy one, `$default` last; then a method before `ANY`.
    pub(super) fn rank(&self) -> (bool, Vec<u8>, bool) {
        match self {
            Self::Default => (true, Vec::new(), true),
            Self::Path { method, segments } => {
                let kinds = segments.iter().map(|segment| match segment {
                    Segment::Literal(_) => 0,
                    Segment::Variable(_) => 1,
                    Segment::Greedy(_) => 2,
                });
                (false, kinds.collect(), method == "ANY")
            }
        }
    }

    /// What follows the stage in an execution ARN: `POST/items/{id}`, or `$default`.
    pub(super) fn execution_path(&self, key: &str, method: &str) -> String {
        match self {
            Self::Default => "$default".to_owned(),
            Self::Path { .. } => format!("{method}{}", key.split_once(' ').map_or("/", |(_, path)| path)),
        }
    }
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
            return (!text.contains(['{', '}', ' '])).then(|| Self::Literal(text.to_owned()));
        };
        let (name, greedy) = inner.strip_suffix('+').map_or((inner, false), |name| (name, true));
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        named.then(|| if greedy { Self::Greedy(name.to_owned()) } else { Self::Variable(name.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::RouteKey;

    /// The key of the route that answers, and its path variables.
    fn choose(keys: &[&str], method: &str, path: &str) -> String {
        let found = keys.iter().filter_map(|text| {
            let key = RouteKey::parse(text).unwrap();
            let variables = key.matches(method, path)?;
            Some((key.rank(), *text, variables))
        });
        found.min().map_or("none".to_owned(), |(_, text, variables)| {
            variables.iter().fold(text.to_owned(), |line, (name, value)| format!("{line} {name}={value}"))
        })
    }

    #[test]
    fn the_closest_route_answers() {
        let keys = [
            "$default",
            "ANY /{proxy+}",
            "GET /{proxy+}",
            "ANY /items",
            "POST /items",
            "GET /items/{id}",
            "GET /items/first",
            "ANY /items/{id}/parts/{rest+}",
        ];
        let cases = [
            ("POST", "/items", "POST /items"),
            ("PUT", "/items", "ANY /items"),
            ("GET", "/items/7", "GET /items/{id} id=7"),
            ("GET", "/items/a%20b", "GET /items/{id} id=a b"),
            ("GET", "/items/first", "GET /items/first"),
            ("POST", "/items/first", "ANY /{proxy+} proxy=items/first"),
            ("GET", "/items/7/parts/a/b", "ANY /items/{id}/parts/{rest+} id=7 rest=a/b"),
            ("GET", "/items/", "GET /{proxy+} proxy=items/"),
            ("GET", "/", "$default"),
        ];
        for (method, path, expected) in cases {
            assert_eq!(choose(&keys, method, path), expected, "{method} {path}");
        }
        assert_eq!(choose(&["POST /"], "POST", "/"), "POST /");
        assert_eq!(choose(&["POST /"], "GET", "/"), "none");
        assert_eq!(choose(&["POST /"], "POST", "/x"), "none");
    }

    #[test]
    fn a_route_key_has_a_method_and_a_path() {
        for wrong in ["", "GET", "GET x", "get /", "FETCH /", "GET /{a", "GET /{a+}/b", "GET /{}", "$other"] {
            assert_eq!(RouteKey::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_variable_has_one_name() {
        let key = |text| RouteKey::parse(text).unwrap();
        assert!(key("GET /a/{id}").clashes_with(&key("POST /a/{name}/b")));
        assert!(!key("GET /a/{id}").clashes_with(&key("POST /a/{id}/b")));
        assert!(!key("GET /a/{id}").clashes_with(&key("POST /b/{name}")));
    }
}
