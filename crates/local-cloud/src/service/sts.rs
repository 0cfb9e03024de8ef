//! Who am I.

use bytes::Bytes;
use http::{HeaderValue, Response};
use quick_xml::escape::escape;

use crate::Cloud;
use crate::call::{Call, Caller, Refusal, Reply};

/// Answers one call in the query protocol.
#[expect(clippy::unused_async, reason = "every service is called alike")]
pub async fn handle(cloud: &Cloud, call: &Call) -> Reply {
    match call.operation.as_str() {
        "GetCallerIdentity" => Ok(caller_identity(cloud, call)),
        other => {
            Err(Refusal::new(400, "InvalidAction", format!("Could not find operation {other} for version 2011-06-15")))
        }
    }
}

/// A user's id begins AIDA, a role's AROA followed by the session's name.
pub(crate) fn user_id(cloud: &Cloud, caller: &Caller) -> String {
    match &caller.role {
        None => "AIDALOCALCLOUDUSER000".to_owned(),
        Some(role) => {
            let id = cloud.iam.role_id(role).unwrap_or_else(|| "AROALOCALCLOUDGONE000".to_owned());
            format!("{id}:{}", caller.arn.rsplit('/').next().unwrap_or_default())
        }
    }
}

fn caller_identity(cloud: &Cloud, call: &Call) -> Response<Bytes> {
    let arn = &call.caller.arn;
    let id = user_id(cloud, &call.caller);
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account></GetCallerIdentityResult><ResponseMetadata>\
         <RequestId>{}</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
        escape(arn.as_str()),
        escape(&id),
        escape(&cloud.config.account),
        call.request_id
    );
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
