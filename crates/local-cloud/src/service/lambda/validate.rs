//! What a function may look like.

use std::collections::BTreeMap;

use crate::call::Refusal;

use super::function::Function;
use super::refuse::{self, violation};
use super::request::Settings;

/// Bytes of all environment variables as JSON.
const MAX_ENVIRONMENT: usize = 4096;
/// Tags a function may bear.
const MAX_TAGS: usize = 50;
const ROLE_PATTERN: &str = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+";
/// Runtimes that AWS no longer creates functions for.
const RETIRED: &[&str] =
    &["provided", "go1.x", "python3.6", "python3.7", "nodejs12.x", "nodejs14.x", "java8", "ruby2.7"];
/// Variables that Lambda sets itself and refuses to be given.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Checks the form of what is given, reporting every violation at once, then what it asks for.
pub(super) fn settings(given: &Settings) -> Result<(), Refusal> {
    let mut violations = Vec::new();
    if let Some(role) = &given.role
        && !is_role_arn(role)
    {
        violations.push(violation(
            role,
            "role",
            &format!("Member must satisfy regular expression pattern: {ROLE_PATTERN}"),
        ));
    }
    if let Some(handler) = &given.handler {
        if handler.is_empty() || handler.contains(char::is_whitespace) {
            let constraint = r"Member must satisfy regular expression pattern: [^\s]+";
            violations.push(violation(handler, "handler", constraint));
        }
        longest(&mut violations, handler, "handler", 128);
    }
    if let Some(description) = &given.description {
        longest(&mut violations, description, "description", 256);
    }
    between(&mut violations, given.timeout, "timeout", 1, 900);
    between(&mut violations, given.memory_size, "memorySize", 128, 10_240);
    let ephemeral = given.ephemeral_storage.as_ref().map(|storage| storage.size);
    between(&mut violations, ephemeral, "ephemeralStorage.size", 512, 10_240);
    if let Some(mode) = given.tracing_config.as_ref().and_then(|tracing| tracing.mode.as_deref()) {
        one_of(&mut violations, mode, "tracingConfig.mode", &["Active", "PassThrough"]);
    }
    if let Some(format) = given.logging_config.as_ref().and_then(|logging| logging.log_format.as_deref()) {
        one_of(&mut violations, format, "loggingConfig.logFormat", &["JSON", "Text"]);
    }
    for key in given.environment.iter().flat_map(|environment| environment.variables.keys()) {
        if !is_variable(key) {
            let constraint = "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: \
                              [a-zA-Z]([a-zA-Z0-9_])+]";
            violations.push(violation(format!("{{{key}=***}}"), "environment.variables", constraint));
        }
    }
    if !violations.is_empty() {
        return Err(refuse::validation(&violations));
    }
    if let Some(runtime) = &given.runtime {
        self::runtime(runtime)?;
    }
    if let Some(given) = &given.environment {
        environment(&given.variables)?;
    }
    Ok(())
}

/// At most one architecture, and a known one.
pub(super) fn architecture(given: Option<&[String]>) -> Result<Option<String>, Refusal> {
    let Some(given) = given else { return Ok(None) };
    let shown = format!("[{}]", given.join(", "));
    match given {
        [one] if one == "x86_64" || one == "arm64" => Ok(Some(one.clone())),
        [_] => Err(refuse::validation(&[violation(
            shown,
            "architectures",
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]",
        )])),
        [] => Ok(None),
        _ => Err(refuse::validation(&[violation(
            shown,
            "architectures",
            "Member must have length less than or equal to 1",
        )])),
    }
}

/// How many tags a function would bear.
pub(super) fn tag_count(count: usize) -> Result<(), Refusal> {
    if count > MAX_TAGS { Err(refuse::invalid("Number of tags exceeds resource tag limit.")) } else { Ok(()) }
}

/// Writes checked settings into a function; what is left out stays.
pub(super) fn apply(function: &mut Function, given: Settings) {
    let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    if let Some(role) = given.role {
        function.role = role;
    }
    if let Some(runtime) = given.runtime {
        function.runtime = runtime;
    }
    if let Some(handler) = given.handler {
        function.handler = handler;
    }
    if let Some(description) = given.description {
        function.description = description;
    }
    if let Some(timeout) = given.timeout {
        function.timeout_s = number(timeout);
    }
    if let Some(memory) = given.memory_size {
        function.memory_mb = number(memory);
    }
    if let Some(storage) = given.ephemeral_storage {
        function.ephemeral_mb = number(storage.size);
    }
    if let Some(environment) = given.environment {
        function.environment = environment.variables;
    }
    if let Some(mode) = given.tracing_config.and_then(|tracing| tracing.mode) {
        function.tracing = mode;
    }
    if let Some(logging) = given.logging_config {
        let kept = &mut function.logging;
        if let Some(format) = logging.log_format {
            kept.log_format = format;
        }
        if let Some(group) = logging.log_group {
            kept.log_group = group;
        }
        kept.application_log_level = logging.application_log_level.or(kept.application_log_level.take());
        kept.system_log_level = logging.system_log_level.or(kept.system_log_level.take());
    }
}

fn runtime(given: &str) -> Result<(), Refusal> {
    if given == "provided.al2023" {
        return Ok(());
    }
    if RETIRED.contains(&given) {
        return Err(refuse::invalid(format!(
            "The runtime parameter of {given} is no longer supported for creating or updating AWS Lambda functions. We \
             recommend you use a supported runtime while creating or updating functions."
        )));
    }
    let language = ["python", "nodejs", "java", "dotnet", "ruby", "provided."];
    if language.iter().any(|prefix| given.starts_with(prefix)) {
        return Err(Refusal::not_offered(format!("the runtime `{given}`, only `provided.al2023`")));
    }
    Err(refuse::invalid(format!(
        "Value {given} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \
         [provided.al2023] or be a valid ARN"
    )))
}

fn environment(variables: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let cannot = "Lambda was unable to configure your environment variables because the environment variables you have \
                  provided";
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|key| RESERVED.contains(key)).collect();
    if !reserved.is_empty() {
        return Err(refuse::invalid(format!(
            "{cannot} contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    let measured = serde_json::to_string(variables).map_err(|error| refuse::fault(&error))?;
    if measured.len() > MAX_ENVIRONMENT {
        return Err(refuse::invalid(format!("{cannot} exceeded the 4KB limit. String measured: {measured}")));
    }
    Ok(())
}

/// The pattern of `ROLE_PATTERN`, by hand.
fn is_role_arn(role: &str) -> bool {
    let Some((partition, rest)) = role.strip_prefix("arn:").and_then(|rest| rest.split_once(":iam::")) else {
        return false;
    };
    let Some((account, path)) = rest.split_once(":role") else { return false };
    let partition_fits = partition.is_empty()
        || partition
            .strip_prefix("aws")
            .is_some_and(|tail| tail.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'));
    partition_fits
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && path.strip_prefix('/').is_some_and(|path| !path.is_empty())
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte))
}

/// `[a-zA-Z]([a-zA-Z0-9_])+`: so at least two characters.
fn is_variable(key: &str) -> bool {
    let bytes = key.as_bytes();
    bytes.len() >= 2
        && bytes[0].is_ascii_alphabetic()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn longest(violations: &mut Vec<String>, value: &str, field: &str, limit: usize) {
    if value.chars().count() > limit {
        let constraint = format!("Member must have length less than or equal to {limit}");
        violations.push(violation(value, field, &constraint));
    }
}

fn between(violations: &mut Vec<String>, value: Option<i64>, field: &str, least: i64, most: i64) {
    let Some(value) = value else { return };
    if value < least {
        violations.push(violation(value, field, &format!("Member must have value greater than or equal to {least}")));
    } else if value > most {
        violations.push(violation(value, field, &format!("Member must have value less than or equal to {most}")));
    }
}

fn one_of(violations: &mut Vec<String>, value: &str, field: &str, allowed: &[&str]) {
    if !allowed.contains(&value) {
        let constraint = format!("Member must satisfy enum value set: [{}]", allowed.join(", "));
        violations.push(violation(value, field, &constraint));
    }
}
