//! Lambda's refusals, in its own words.

use crate::call::{Call, Refusal};

/// A parameter that has the right form and the wrong value.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterValueException", message)
}

/// A violated constraint as one clause of a [`validation`] message.
pub(super) fn violation(value: impl std::fmt::Display, field: &str, constraint: &str) -> String {
    format!("Value '{value}' at '{field}' failed to satisfy constraint: {constraint}")
}

/// The whole message about one violated constraint.
pub(super) fn constraint(value: impl std::fmt::Display, field: &str, constraint: &str) -> String {
    format!("1 validation error detected: {}", violation(value, field, constraint))
}

/// Violated constraints, all in one refusal.
pub(super) fn validation(violations: &[String]) -> Refusal {
    let plural = if violations.len() == 1 { "error" } else { "errors" };
    let message = format!("{} validation {plural} detected: {}", violations.len(), violations.join("; "));
    Refusal::new(400, "ValidationException", message)
}

/// No such function.
pub(super) fn no_function(arn: &str) -> Refusal {
    not_found(format!("Function not found: {arn}"))
}

/// Something else that does not exist.
pub(super) fn not_found(message: impl Into<String>) -> Refusal {
    Refusal::new(404, "ResourceNotFoundException", message)
}

/// Something in the way, which may pass.
pub(super) fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new(409, "ResourceConflictException", message)
}

/// A function that is not `Active` yet.
pub(super) fn pending() -> Refusal {
    conflict(
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
    )
}

/// An optimistic lock that did not hold; `reader` tells the current revision.
pub(super) fn stale_revision(reader: &str) -> Refusal {
    Refusal::new(
        412,
        "PreconditionFailedException",
        format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {reader} API to retrieve the \
             latest Revision Id"
        ),
    )
}

/// The role is absent, trusts somebody else, or is too young.
pub(super) const CANNOT_ASSUME: &str = "The role defined for the function cannot be assumed by Lambda.";

/// A path that is no operation of this cloud's Lambda.
pub(super) fn unknown_operation(call: &Call) -> Refusal {
    Refusal::no_operation("Lambda", &format!("{} {}", call.method, call.path))
}

/// A fault of this cloud itself.
pub(super) fn fault(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(500, "ServiceException", format!("the local cloud could not do this: {error}"))
}
