//! `UpdateFunctionCode` and `UpdateFunctionConfiguration`.

use std::sync::Arc;

use jiff::Timestamp;

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};

use super::create::may_run_as;
use super::function::Phase;
use super::request::{self, Settings, UpdateCode};
use super::{code, validate};

/// Answers `UpdateFunctionCode`. `DryRun` checks everything and changes nothing.
pub(super) async fn update_code(cloud: &Arc<Cloud>, call: &Call, name: &str) -> Reply {
    let lambda = &cloud.lambda;
    let given: UpdateCode = request::body(call)?;
    let before = lambda.function(name)?;
    let architecture = validate::architecture(given.architectures.as_deref())?;
    before.ready_to_change(given.revision_id.as_deref())?;
    let archive = code::fetch(cloud, given.code).await?;
    let write = |function: &mut super::Function| {
        function.code.clone_from(&archive.digest);
        function.code_sha256.clone_from(&archive.sha256);
        function.code_size = archive.bytes.len() as u64;
        if let Some(architecture) = &architecture {
            function.architecture.clone_from(architecture);
        }
    };
    if given.dry_run == Some(true) {
        let mut imagined = before;
        write(&mut imagined);
        return Ok(call::json(&imagined.configuration()));
    }
    lambda.code.keep(&archive).map_err(|error| Refusal::of_disk("the function's code", &error))?;
    let changed = lambda.change(name, |function| {
        function.ready_to_change(given.revision_id.as_deref())?;
        write(function);
        function.unsettle(Phase::Updating, Timestamp::now(), lambda.settle);
        Ok(())
    })?;
    lambda.pools.retire(name);
    lambda.forget_code(&before.code);
    Ok(call::json(&changed.configuration()))
}

/// Answers `UpdateFunctionConfiguration`. What is left out stays; the environment is replaced whole.
pub(super) fn update_configuration(cloud: &Arc<Cloud>, call: &Call, name: &str) -> Reply {
    let lambda = &cloud.lambda;
    let given: Settings = request::body(call)?;
    let before = lambda.function(name)?;
    validate::settings(&given)?;
    before.ready_to_change(given.revision_id.as_deref())?;
    if let Some(role) = &given.role {
        may_run_as(cloud, role, &before.arn)?;
    }
    let changed = lambda.change(name, |function| {
        function.ready_to_change(given.revision_id.as_deref())?;
        validate::apply(function, given);
        function.unsettle(Phase::Updating, Timestamp::now(), lambda.settle);
        Ok(())
    })?;
    lambda.pools.retire(name);
    Ok(call::json(&changed.configuration()))
}
