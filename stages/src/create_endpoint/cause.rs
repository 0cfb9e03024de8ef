//! Why an endpoint failed or went back: the service's reason, alarms that ring, the container's last words, and what
//! they usually mean.

use std::fmt::Write;

use aws_sdk_sagemaker::operation::describe_endpoint::DescribeEndpointOutput;
use aws_sdk_sagemaker::primitives::DateTime;

use super::endpoint::Endpoint;
use super::watched::{self, Said};
use super::{causes, deployment};
use crate::log_group::{self, Streams};
use crate::{CloudError, Ctx};

/// Lines of the container's log that are shown.
const SHOWN: usize = 10;
/// Lines of it that are looked at.
const READ: usize = 200;
const NO_REASON: &str = "SageMaker gave no reason";

impl Endpoint {
    /// The cause, in lines. `since` is when what failed began: machines that were there before did not fail.
    pub(super) async fn cause(
        &self,
        ctx: &Ctx<'_>,
        endpoint: &DescribeEndpointOutput,
        since: Option<&DateTime>,
    ) -> String {
        let alarms = deployment::alarms(&self.wanted, &self.names);
        // That they cannot be read is no reason to hide the failure.
        let ringing = if alarms.is_empty() { Ok(vec![]) } else { watched::states(ctx.clients, &alarms).await };
        let reason = endpoint.failure_reason();
        match self.last_words(ctx, since).await {
            Ok(lines) => explain(reason, &ringing.unwrap_or_default(), &lines),
            Err(error) => {
                let text = explain(reason, &ringing.unwrap_or_default(), &[]);
                format!("{text}\nthe log of the container cannot be read: {}", error.message())
            }
        }
    }

    async fn last_words(&self, ctx: &Ctx<'_>, since: Option<&DateTime>) -> Result<Vec<String>, CloudError> {
        let group = self.names.endpoint_log_group();
        let new = match since.and_then(|since| since.to_millis().ok()) {
            Some(since_ms) => Some(log_group::streams_since(ctx.clients, &group, since_ms).await?),
            None => None,
        };
        log_group::last_lines(ctx.clients, &group, new.as_deref().map_or(Streams::All, Streams::Named), READ).await
    }
}

/// All of it in one text.
fn explain(reason: Option<&str>, alarms: &[Said], lines: &[String]) -> String {
    let mut text = reason.unwrap_or(NO_REASON).to_owned();
    for alarm in alarms.iter().filter(|alarm| alarm.rings) {
        _ = write!(text, "\nalarm `{}` rings, {}", alarm.name, alarm.words);
    }
    let shown = &lines[lines.len().saturating_sub(SHOWN)..];
    if !shown.is_empty() {
        _ = write!(text, "\nlast lines of the container:\n  {}", shown.join("\n  "));
    }
    let all: Vec<&str> = lines.iter().map(String::as_str).chain(reason).collect();
    if let Some(known) = causes::recognize(&all) {
        if !shown.iter().any(|line| line == known.line) && reason != Some(known.line) {
            _ = write!(text, "\nand before them:\n  {}", known.line);
        }
        _ = write!(text, "\nthat usually means: {}\nwhat helps: {}", known.cause, known.advice);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn the_reason_comes_first_and_what_it_means_last() {
        let log = lines(&["starting", "ModuleNotFoundError: No module named 'pandas'"]);
        let ringing = [
            Said { name: "fraud-errors".into(), rings: true, words: "ALARM: 7 errors".into() },
            Said { name: "calm".into(), rings: false, words: "OK".into() },
        ];
        insta::assert_snapshot!(explain(Some("it did not pass the ping health check"), &ringing, &log), @"
        it did not pass the ping health check
        alarm `fraud-errors` rings, ALARM: 7 errors
        last lines of the container:
          starting
          ModuleNotFoundError: No module named 'pandas'
        that usually means: a Python module is missing in the image
        what helps: take an image that has it, or leave out what needs it
        ");
    }

    #[test]
    fn without_a_reason_the_log_tells_it() {
        let mut log = lines(&["std::bad_alloc"]);
        log.extend((0..12).map(|n| format!("again {n}")));
        insta::assert_snapshot!(explain(None, &[], &log), @"
        SageMaker gave no reason
        last lines of the container:
          again 2
          again 3
          again 4
          again 5
          again 6
          again 7
          again 8
          again 9
          again 10
          again 11
        and before them:
          std::bad_alloc
        that usually means: the machine ran out of memory
        what helps: take a machine type with more memory, or for serverless more `memory-mb`
        ");
        insta::assert_snapshot!(explain(None, &[], &[]), @"SageMaker gave no reason");
    }

    #[test]
    fn a_reason_alone_may_be_known_as_well() {
        insta::assert_snapshot!(explain(Some("Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."), &[], &[]), @"
        Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error.
        that usually means: AWS has not enough machines of that type free
        what helps: apply again later, or take another machine type or Region
        ");
    }
}
