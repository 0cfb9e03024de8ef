//! A function's resource policy: `AddPermission`, `RemovePermission`, `GetPolicy`.

use serde_json::{Value, json};

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};
use crate::service::iam;

use super::request::{self, AddPermission};
use super::{function, refuse, settings};

/// Bytes of a whole policy.
const MAX_POLICY: usize = 20_480;

/// Answers `AddPermission`, which is no upsert.
pub(super) fn add(cloud: &Cloud, call: &Call, name: &str) -> Reply {
    if request::query(call, "Qualifier").is_some() {
        return Err(refuse::invalid("We currently do not support adding policies for $LATEST."));
    }
    let given: AddPermission = request::body(call)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if given.statement_id.is_empty() || given.statement_id.len() > 100 || !given.statement_id.bytes().all(fits) {
        return Err(refuse::validation(&[refuse::violation(
            &given.statement_id,
            "statementId",
            "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)",
        )]));
    }
    let statement = statement(&given, &cloud.lambda.names.arn(name), cloud.config.partition())?;
    cloud.lambda.change(name, |function| {
        if given.revision_id.as_ref().is_some_and(|revision| *revision != function.revision) {
            return Err(refuse::stale_revision("GetPolicy"));
        }
        if function.statements.iter().any(|present| present["Sid"] == given.statement_id) {
            return Err(refuse::conflict(format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement.",
                given.statement_id
            )));
        }
        function.statements.push(statement.clone());
        if document(&function.statements).len() > MAX_POLICY {
            return Err(Refusal::new(
                400,
                "PolicyLengthExceededException",
                format!("The final policy size is bigger than the limit ({MAX_POLICY})."),
            ));
        }
        function.revision = function::uuid();
        Ok(())
    })?;
    Ok(call::json_status(201, &json!({ "Statement": statement.to_string() })))
}

/// Answers `GetPolicy`, which knows one sentence for no policy and no function.
pub(super) fn get(cloud: &Cloud, name: &str) -> Reply {
    let function = cloud.lambda.function(name).ok().filter(|function| !function.statements.is_empty());
    let function = function.ok_or_else(|| refuse::not_found("The resource you requested does not exist."))?;
    Ok(call::json(&json!({ "Policy": document(&function.statements), "RevisionId": function.revision })))
}

/// Answers `RemovePermission`.
pub(super) fn remove(cloud: &Cloud, call: &Call, name: &str, sid: &str) -> Reply {
    let lambda = &cloud.lambda;
    if lambda.functions.read(|functions| !functions.contains_key(name)) {
        return Err(refuse::not_found(format!("No policy found for: {}", lambda.names.arn(name))));
    }
    lambda.change(name, |function| {
        if request::query(call, "RevisionId").is_some_and(|revision| revision != function.revision) {
            return Err(refuse::stale_revision("GetPolicy"));
        }
        if function.statements.is_empty() {
            return Err(refuse::not_found("No policy is associated with the given resource."));
        }
        let before = function.statements.len();
        function.statements.retain(|present| present["Sid"] != sid);
        if function.statements.len() == before {
            return Err(refuse::not_found(format!("Statement {sid} is not found in resource policy.")));
        }
        function.revision = function::uuid();
        Ok(())
    })?;
    Ok(settings::empty())
}

fn document(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements }).to_string()
}

fn statement(given: &AddPermission, function_arn: &str, partition: &str) -> Result<Value, Refusal> {
    let mut statement = json!({
        "Sid": given.statement_id,
        "Effect": "Allow",
        "Principal": principal(&given.principal, partition)?,
        "Action": given.action,
        "Resource": function_arn,
    });
    if let Some(arn) = &given.source_arn {
        statement["Condition"]["ArnLike"]["AWS:SourceArn"] = json!(arn);
    }
    if let Some(account) = &given.source_account {
        statement["Condition"]["StringEquals"]["AWS:SourceAccount"] = json!(account);
    }
    Ok(statement)
}

fn principal(given: &str, partition: &str) -> Result<Value, Refusal> {
    if given == "*" {
        Ok(json!("*"))
    } else if iam::is_service(given, partition) {
        Ok(json!({ "Service": given }))
    } else if given.len() == 12 && given.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(json!({ "AWS": format!("arn:{partition}:iam::{given}:root") }))
    } else if given.starts_with(&format!("arn:{partition}:iam::")) {
        Ok(json!({ "AWS": given }))
    } else {
        Err(refuse::invalid("The provided principal was invalid. Please check the principal and try again."))
    }
}
