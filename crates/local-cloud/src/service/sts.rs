//! Who am I, and who else may I be.

use bytes::Bytes;
use http::{HeaderValue, Response};
use quick_xml::escape::escape;

use jiff::{SignedDuration, Timestamp};

use crate::Cloud;
use crate::call::{Call, Caller, Refusal, Reply};
use crate::service::iam::{Form, Keys, assumed_role_arn, length, validation};

/// Seconds of a session that does not say. Source: STS API reference, `AssumeRole`.
const DEFAULT_SESSION_S: i64 = 3600;
/// Most seconds of a session that another session begins. Source: IAM user guide, role chaining.
const CHAINED_SESSION_S: i64 = 3600;
/// Members of `AssumeRole` that are offered. The others narrow or mark a session, which this cloud does not do.
const MEMBERS: [&str; 4] = ["RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId"];

/// Answers one call in the query protocol.
#[expect(clippy::unused_async, reason = "every service is called alike")]
pub async fn handle(cloud: &Cloud, call: &Call) -> Reply {
    match call.operation.as_str() {
        "GetCallerIdentity" => Ok(caller_identity(cloud, call)),
        "AssumeRole" => assume_role(cloud, call),
        other => Err(Refusal::no_operation("STS", other)),
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
    let result = format!(
        "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
        escape(arn.as_str()),
        escape(&id),
        escape(&cloud.config.account)
    );
    answer(call, &result)
}

/// Begins a session, when the role trusts the caller.
fn assume_role(cloud: &Cloud, call: &Call) -> Reply {
    let form = Form::parse(&call.body);
    form.only("AssumeRole", &MEMBERS)?;
    let (role, name) = (form.required("RoleArn")?, form.required("RoleSessionName")?);
    length("roleArn", role, 20, 2048)?;
    length("roleSessionName", name, 2, 64)?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Err(validation(&format!(
            "Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression \
             pattern: [\\w+=,.@-]*"
        )));
    }
    let seconds = duration_s(&form)?;
    let mut keys = Keys::default();
    keys.put("sts:RoleSessionName", name);
    match external_id(&form)? {
        Some(id) => keys.put("sts:ExternalId", id),
        None => keys.put_absent("sts:ExternalId"),
    }
    if !cloud.iam.may_begin_session(&call.caller, role, &keys) {
        let arn = &call.caller.arn;
        let text = format!("User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role}");
        return Err(Refusal::new(403, "AccessDenied", text));
    }
    if call.caller.role.is_some() && seconds > CHAINED_SESSION_S {
        let text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(Refusal::new(400, "ValidationError", text));
    }
    if cloud.iam.max_session_s(role).is_some_and(|most| seconds > i64::from(most)) {
        let text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(Refusal::new(400, "ValidationError", text));
    }
    let until = Timestamp::now() + SignedDuration::from_secs(seconds);
    let session = cloud.iam.grant(role, name, until)?;
    let id = cloud.iam.role_id(role).unwrap_or_default();
    let result = format!(
        "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
         <Expiration>{}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>{id}:{}</AssumedRoleId><Arn>{}</Arn>\
         </AssumedRoleUser>",
        session.access_key_id,
        session.secret_access_key,
        session.session_token,
        until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        escape(name),
        escape(assumed_role_arn(role, name))
    );
    Ok(answer(call, &result))
}

/// Source of the limits: botocore, `externalIdType`.
fn external_id(form: &Form) -> Result<Option<&str>, Refusal> {
    let Some(id) = form.get("ExternalId") else { return Ok(None) };
    length("externalId", id, 2, 1224)?;
    if id.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c)) {
        return Ok(Some(id));
    }
    Err(validation(&format!(
        "Value '{id}' at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: \
         [\\w+=,.@:\\/-]*"
    )))
}

fn duration_s(form: &Form) -> Result<i64, Refusal> {
    let Some(text) = form.get("DurationSeconds") else { return Ok(DEFAULT_SESSION_S) };
    let fail = |limit: &str| {
        validation(&format!(
            "Value '{text}' at 'durationSeconds' failed to satisfy constraint: Member must have value {limit}"
        ))
    };
    match text.parse::<i64>() {
        Ok(seconds @ 900..=43_200) => Ok(seconds),
        Ok(seconds) if seconds > 43_200 => Err(fail("less than or equal to 43200")),
        _ => Err(fail("greater than or equal to 900")),
    }
}

/// The envelope of every answer.
fn answer(call: &Call, result: &str) -> Response<Bytes> {
    let name = &call.operation;
    let body = format!(
        "<{name}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{name}Result>{result}</{name}Result>\
         <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{name}Response>",
        call.request_id
    );
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
