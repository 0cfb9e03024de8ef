//! IAM's answers in XML.

use bytes::Bytes;
use http::{HeaderValue, Response};
use jiff::Timestamp;
use quick_xml::escape::escape;

use crate::call::Call;
use crate::service::iam::role::Role;
use crate::signature::percent_encoded;

/// What an answer shows of a role besides what all show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// With tags and boundary: `CreateRole` and `GetRole`.
    Full,
    /// Without: `ListRoles`. Source: IAM API reference, `ListRoles`.
    Listed,
}

/// The envelope of every answer; operations without a result have none within.
pub(super) fn answer(call: &Call, result: Option<&str>) -> Response<Bytes> {
    let name = &call.operation;
    let result = result.map(|result| format!("<{name}Result>{result}</{name}Result>")).unwrap_or_default();
    let body = format!(
        "<{name}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">{result}<ResponseMetadata><RequestId>{}\
         </RequestId></ResponseMetadata></{name}Response>",
        call.request_id
    );
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

/// An element with text.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escape(text))
}

/// A policy document, percent-encoded as RFC 3986 has it.
pub(super) fn document(name: &str, text: &str) -> String {
    element(name, &percent_encoded(text))
}

/// The members of a `Role` element.
pub(super) fn role(role: &Role, detail: Detail) -> String {
    let mut text = element("Path", &role.path);
    text += &element("RoleName", &role.name);
    text += &element("RoleId", &role.id);
    text += &element("Arn", &role.arn);
    text += &element("CreateDate", &time(role.created));
    text += &document("AssumeRolePolicyDocument", &role.trust);
    if let Some(description) = &role.description {
        text += &element("Description", description);
    }
    text += &element("MaxSessionDuration", &role.max_session_s.to_string());
    if detail == Detail::Full {
        if let Some(boundary) = &role.boundary {
            let kind = element("PermissionsBoundaryType", "PermissionsBoundaryPolicy");
            let arn = element("PermissionsBoundaryArn", boundary);
            text += &["<PermissionsBoundary>", &kind, &arn, "</PermissionsBoundary>"].concat();
        }
        text += &tags(&role.tags);
        text += "<RoleLastUsed/>";
    }
    text
}

/// A time in seconds.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A `Tags` element; nothing where there is no tag.
pub(super) fn tags(tags: &[(String, String)]) -> String {
    if tags.is_empty() {
        return String::new();
    }
    let members = tags.iter().map(|(key, value)| element("Key", key) + &element("Value", value));
    list("Tags", members)
}

/// A list of `member` elements whose content is given.
pub(super) fn list(name: &str, members: impl Iterator<Item = String>) -> String {
    let members: Vec<String> = members.map(|member| format!("<member>{member}</member>")).collect();
    format!("<{name}>{}</{name}>", members.concat())
}
