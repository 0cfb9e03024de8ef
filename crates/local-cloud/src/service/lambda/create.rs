//! `CreateFunction`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};

use super::code::{self, Archive};
use super::function::{self, Function, Logging, Phase};
use super::request::{self, Create, Settings};
use super::{refuse, validate};

/// Bytes of a whole request.
const MAX_REQUEST: usize = 70_167_211;

/// Answers `CreateFunction`.
pub(super) async fn create(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let lambda = &cloud.lambda;
    if call.body.len() > MAX_REQUEST {
        return Err(Refusal::new(
            413,
            "RequestEntityTooLargeException",
            format!("Request must be smaller than {MAX_REQUEST} bytes for the CreateFunction operation"),
        ));
    }
    let mut given: Create = request::body(call)?;
    let name = lambda.names.resolve(required(given.function_name.as_deref(), "functionName")?, None)?;
    let (role, code) = check(&mut given)?;
    if lambda.functions.read(|functions| functions.contains_key(&name)) {
        return Err(already_there(&name));
    }
    let architecture = validate::architecture(given.architectures.as_deref())?;
    let archive = code::fetch(cloud, code).await?;
    let arn = lambda.names.arn(&name);
    may_run_as(cloud, &role, &arn)?;
    lambda.code.keep(&archive).map_err(|error| Refusal::of_disk("the function's code", &error))?;

    let mut function = blank(name, arn, &archive);
    function.architecture = architecture.unwrap_or(function.architecture);
    function.tags = given.tags;
    validate::apply(&mut function, given.settings);
    function.unsettle(Phase::Creating, function.last_modified, lambda.settle);
    lambda.functions.write(|functions| {
        if functions.contains_key(&function.name) {
            return Err(already_there(&function.name));
        }
        functions.insert(function.name.clone(), function.clone());
        Ok(())
    })?;
    Ok(call::json_status(201, &function.configuration()))
}

/// Whether Lambda may act as the role.
pub(super) fn may_run_as(cloud: &Cloud, role: &str, function_arn: &str) -> Result<(), Refusal> {
    if cloud.iam.may_assume(role, super::PRINCIPAL, function_arn) {
        Ok(())
    } else {
        Err(refuse::invalid(refuse::CANNOT_ASSUME))
    }
}

/// Checks everything that needs no other service, and returns the role and where the code is.
fn check(given: &mut Create) -> Result<(String, request::Code), Refusal> {
    let role = required(given.settings.role.as_deref(), "role")?.to_owned();
    let code = given.code.take().ok_or_else(|| missing("code"))?;
    validate::settings(&given.settings)?;
    validate::tag_count(given.tags.len())?;
    let Settings { runtime, handler, .. } = &given.settings;
    if runtime.is_none() || handler.is_none() {
        return Err(refuse::invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    }
    Ok((role, code))
}

/// A function with AWS's defaults.
fn blank(name: String, arn: String, archive: &Archive) -> Function {
    let now = Timestamp::now();
    Function {
        logging: Logging {
            log_format: "Text".to_owned(),
            application_log_level: None,
            system_log_level: None,
            log_group: format!("/aws/lambda/{name}"),
        },
        name,
        arn,
        role: String::new(),
        runtime: String::new(),
        handler: String::new(),
        description: String::new(),
        timeout_s: 3,
        memory_mb: 128,
        ephemeral_mb: 512,
        environment: BTreeMap::new(),
        architecture: "x86_64".to_owned(),
        tracing: "PassThrough".to_owned(),
        code: archive.digest.clone(),
        code_sha256: archive.sha256.clone(),
        code_size: archive.bytes.len() as u64,
        last_modified: now,
        revision: function::uuid(),
        deployment: function::uuid(),
        phase: Phase::Creating,
        settles_at: now,
        tags: BTreeMap::new(),
        statements: Vec::new(),
        reserved: None,
    }
}

fn required<'a>(value: Option<&'a str>, field: &str) -> Result<&'a str, Refusal> {
    value.ok_or_else(|| missing(field))
}

fn missing(field: &str) -> Refusal {
    Refusal::new(
        400,
        "ValidationException",
        format!(
            "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
        ),
    )
}

fn already_there(name: &str) -> Refusal {
    refuse::conflict(format!("Function already exist: {name}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_change_from_before_the_clock_was_set_back_has_settled() {
        let archive = Archive { bytes: Bytes::new(), digest: String::new(), sha256: String::new() };
        let mut function = blank("fraud".to_owned(), String::new(), &archive);
        let now = Timestamp::now();
        function.unsettle(Phase::Updating, now, Duration::from_secs(10));
        assert!(!function.is_due(now) && !function.is_due(now + SignedDuration::from_secs(9)));
        assert!(function.is_due(now + SignedDuration::from_secs(10)));
        assert!(function.is_due(now - SignedDuration::from_hours(1)));
    }
}
