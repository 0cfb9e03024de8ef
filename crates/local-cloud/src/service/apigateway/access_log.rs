//! Access logs: one line for each request, as the stage's format says.
//!
//! Source of the variables: "Customize HTTP API access logs".

use std::collections::BTreeMap;

use crate::Cloud;

use super::resource::AccessLog;

/// Characters of a format. Source: botocore, `StringWithLengthBetween1And1024`.
const MAX_FORMAT_CHARS: usize = 1_024;

/// What stands before each variable.
const MARK: &str = "$context.";

/// Variables that every request may have. Those of claims and of authorizers are open lists.
const VARIABLES: [&str; 39] = [
    "accountId",
    "apiId",
    "authorizer.error",
    "awsEndpointRequestId",
    "awsEndpointRequestId2",
    "customDomain.basePathMatched",
    "dataProcessed",
    "domainName",
    "domainPrefix",
    "error.message",
    "error.messageString",
    "error.responseType",
    "extendedRequestId",
    "httpMethod",
    "identity.accountId",
    "identity.caller",
    "identity.principalOrgId",
    "identity.sourceIp",
    "identity.user",
    "identity.userAgent",
    "identity.userArn",
    "integration.error",
    "integration.integrationStatus",
    "integration.latency",
    "integration.requestId",
    "integration.status",
    "integrationErrorMessage",
    "integrationLatency",
    "integrationStatus",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "responseLatency",
    "responseLength",
    "routeKey",
    "stage",
    "status",
];

/// Beginnings of the rest.
const OPEN: [&str; 4] = ["authorizer.", "identity.cognito", "identity.clientCert.", "identity.vpc"];

/// What a request's variables say, without the mark before their names.
pub(super) type Variables = BTreeMap<String, String>;

/// The name of the log group of an ARN without `:*` at its end.
pub(super) fn group(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(7, ':');
    let is = parts.next() == Some("arn") && parts.nth(1) == Some("logs") && parts.nth(2) == Some("log-group");
    parts.next().filter(|name| is && !name.is_empty() && !name.contains([':', '*']))
}

/// Whether a format can be written. The error says why not; AWS's own words are not known.
pub(super) fn check(format: &str) -> Result<(), String> {
    let chars = format.chars().count();
    if !(1..=MAX_FORMAT_CHARS).contains(&chars) {
        return Err(format!("Invalid access log format: between 1 and {MAX_FORMAT_CHARS} characters are allowed"));
    }
    if format.contains(['\n', '\r']) {
        return Err("Invalid access log format: it must be a single line".to_owned());
    }
    let names: Vec<&str> = pieces(format).filter_map(|piece| piece.variable).collect();
    if !names.contains(&"requestId") {
        return Err("Invalid access log format: it must contain $context.requestId".to_owned());
    }
    let known = |name: &&str| VARIABLES.contains(name) || OPEN.iter().any(|open| name.starts_with(open));
    match names.iter().find(|name| !known(name)) {
        Some(unknown) => Err(format!("The local cloud does not know the variable $context.{unknown}")),
        None => Ok(()),
    }
}

/// Writes a request's line, if its group is there: AWS makes none either.
pub(super) fn write(cloud: &Cloud, settings: &AccessLog, api_id: &str, variables: &Variables) {
    let (Some(arn), Some(format)) = (&settings.destination_arn, &settings.format) else { return };
    let Some(group) = group(arn) else { return };
    // AWS names streams by a hash, so that nobody takes a name for a meaning.
    let stream = crate::signature::hmac_hex(api_id, "access log");
    cloud.logs.deliver(group, &stream[..32], &line(format, variables));
}

/// A format with its variables filled in; `-` stands for what a request does not have.
fn line(format: &str, variables: &Variables) -> String {
    pieces(format).fold(String::new(), |mut line, piece| {
        line.push_str(piece.text);
        if let Some(name) = piece.variable {
            line.push_str(&variables.get(name).map_or_else(|| "-".to_owned(), |value| escaped(value)));
        }
        line
    })
}

/// What a client sends must end neither the line nor a JSON string.
fn escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Text, and the variable behind it.
struct Piece<'a> {
    text: &'a str,
    variable: Option<&'a str>,
}

fn pieces(format: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut parts = format.split(MARK);
    let first = Piece { text: parts.next().unwrap_or_default(), variable: None };
    std::iter::once(first).chain(parts.flat_map(|part| {
        let (name, text) = part.split_at(name_length(part));
        [Piece { text: "", variable: Some(name) }, Piece { text, variable: None }]
    }))
}

/// How far a name goes: names of claims may have colons and hyphens too. A full stop at the end is the text's.
fn name_length(part: &str) -> usize {
    let claim = part.starts_with("authorizer.claims.");
    let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || claim && matches!(c, ':' | '-');
    let end = part.find(|c| !within(c)).unwrap_or(part.len());
    part[..end].trim_end_matches(['.', ':', '-']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn variables_are_filled_in_and_what_is_missing_is_a_hyphen() {
        let known = variables(&[
            ("requestId", "JKJaXmPLvHcESHA="),
            ("routeKey", "POST /"),
            ("authorizer.claims.cognito:username", "me"),
            ("identity.userAgent", "a \"b\"\n\\"),
        ]);
        let cases = [
            ("$context.requestId", "JKJaXmPLvHcESHA="),
            (
                r#"{"id":"$context.requestId","route":"$context.routeKey"}"#,
                r#"{"id":"JKJaXmPLvHcESHA=","route":"POST /"}"#,
            ),
            ("$context.requestId$context.routeKey.", "JKJaXmPLvHcESHA=POST /."),
            ("$context.identity.caller: $context.requestId", "-: JKJaXmPLvHcESHA="),
            ("$context.authorizer.claims.cognito:username $context.requestId", "me JKJaXmPLvHcESHA="),
            (r#""$context.identity.userAgent""#, r#""a \"b\"\n\\""#),
            ("$context.authorizer.claims", "-"),
        ];
        for (format, expected) in cases {
            assert_eq!(line(format, &known), expected, "{format}");
        }
    }

    #[test]
    fn a_format_is_one_line_with_a_request_id_and_no_unknown_variable() {
        let common = r#"$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey $context.protocol" $context.status $context.responseLength $context.requestId"#;
        assert_eq!(check(common), Ok(()));
        assert_eq!(check("$context.requestId $context.authorizer.claims.sub"), Ok(()));
        let refused = |format: &str| check(format).unwrap_err();
        insta::assert_snapshot!(refused(""), @"Invalid access log format: between 1 and 1024 characters are allowed");
        insta::assert_snapshot!(refused(&format!("$context.requestId{}", "x".repeat(1024))), @"Invalid access log format: between 1 and 1024 characters are allowed");
        insta::assert_snapshot!(refused("$context.status"), @"Invalid access log format: it must contain $context.requestId");
        insta::assert_snapshot!(refused("$context.requestIdentity"), @"Invalid access log format: it must contain $context.requestId");
        insta::assert_snapshot!(refused("$context.requestId\n"), @"Invalid access log format: it must be a single line");
        insta::assert_snapshot!(refused("$context.requestId $context.state"), @"The local cloud does not know the variable $context.state");
    }

    #[test]
    fn a_destination_is_the_arn_of_a_group() {
        assert_eq!(group("arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/a"), Some("/aws/vendedlogs/a"));
        for wrong in [
            "",
            "/a",
            "arn:aws:logs:us-east-1:123456789012:log-group:/a:*",
            "arn:aws:s3:::a",
            "arn:aws:logs:r:a:log-group:",
        ] {
            assert_eq!(group(wrong), None, "{wrong}");
        }
    }
}
