//! A log group with retention, made before whatever writes to it would make one that keeps everything for ever.

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::OrderBy;
use plan::{Facts, Observation, Outputs, ResourceId};

use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, tags};

/// Pages of the list of a log's streams that are read, of 50 each, the latest first.
const STREAM_PAGES: usize = 4;
/// Source: `logStreamNames` of `FilterLogEvents`.
const MOST_STREAMS: usize = 100;
/// Pages of a log that are read for them, of up to 10,000 lines each.
const LOG_PAGES: usize = 20;

/// A log group.
#[derive(Debug)]
pub(crate) struct LogGroup {
    pub(crate) id: ResourceId,
    pub(crate) name: String,
    pub(crate) retention_days: i32,
    pub(crate) names: Names,
}

#[async_trait]
impl Resource for LogGroup {
    fn id(&self) -> ResourceId {
        self.id.clone()
    }

    fn kind(&self) -> &'static str {
        "log-group"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn desired(&self) -> Facts {
        Facts::default().field("retention_days", self.retention_days)
    }

    fn rights(&self) -> Vec<Right> {
        let actions =
            ["logs:CreateLogGroup", "logs:TagResource", "logs:PutRetentionPolicy", "logs:ListTagsForResource"];
        let [all, group] = self.names.log_group_arns(&self.name);
        vec![
            Right::new("LogGroups", &actions, all.as_str()).and(group.as_str()),
            Right::new("LogGroups", &["logs:DeleteLogGroup"], all).and(group).to_delete(),
            // It is found in a list, which is about no group.
            Right::new("NoResource", &["logs:DescribeLogGroups"], "*"),
        ]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let subject = format!("log group `{}`", self.name);
        let groups = clients.logs.describe_log_groups().log_group_name_prefix(&self.name).send().await;
        let groups = groups.about("logs:DescribeLogGroups", &subject)?;
        let Some(group) = groups.log_groups().iter().find(|group| group.log_group_name() == Some(&self.name)) else {
            return Ok(Observation::Absent);
        };
        let tags = clients.logs.list_tags_for_resource().resource_arn(self.arn()).send().await;
        let Some(tags) = if_present(tags.about("logs:ListTagsForResource", &subject))? else {
            return Ok(Observation::Absent);
        };
        let tags = tags.tags().into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        if let Some(owner) = tags::foreign(&self.names, tags) {
            return Ok(Observation::Foreign { owner });
        }
        let facts = match group.retention_in_days() {
            Some(days) => Facts::default().field("retention_days", days),
            None => Facts::default().field("retention_days", "for ever"),
        };
        Ok(Observation::Present { facts, outputs: Outputs::new() })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let subject = format!("log group `{}`", self.name);
        let tags = tags::of(&self.names, self.id.stage());
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.logs.create_log_group().log_group_name(&self.name);
            let answer = request.set_tags(Some(tags.clone())).send().await;
            or_already_there(answer.about("logs:CreateLogGroup", &subject)).map(drop)
        })
        .await?;
        self.update(ctx).await
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let subject = format!("log group `{}`", self.name);
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.logs.put_retention_policy().log_group_name(&self.name);
            let answer = request.retention_in_days(self.retention_days).send().await;
            answer.about("logs:PutRetentionPolicy", &subject)
        })
        .await?;
        Ok(Outputs::new())
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let subject = format!("log group `{name}`");
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let answer = ctx.clients.logs.delete_log_group().log_group_name(name).send().await;
            if_present(answer.about("logs:DeleteLogGroup", &subject)).map(drop)
        })
        .await
    }
}

/// Which streams of a log group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Streams<'a> {
    All,
    Prefix(&'a str),
    Named(&'a [String]),
}

/// The last lines of streams of a log group, at most so many.
///
/// That they cannot be read is no reason to hide the failure that they are to explain.
pub(crate) async fn last_lines(
    clients: &Clients,
    group: &str,
    streams: Streams<'_>,
    most: usize,
) -> Result<Vec<String>, CloudError> {
    let request = clients.logs.filter_log_events().log_group_name(group);
    let request = match streams {
        Streams::All => request,
        Streams::Prefix(prefix) => request.log_stream_name_prefix(prefix),
        Streams::Named([]) => return Ok(vec![]),
        Streams::Named(names) => request.set_log_stream_names(Some(names.to_vec())),
    };
    let mut pages = request.into_paginator().send();
    let mut lines: Vec<String> = vec![];
    // The oldest come first.
    for _ in 0..LOG_PAGES {
        let Some(page) = pages.next().await else { break };
        let page = page.about("logs:FilterLogEvents", format!("log group `{group}`"));
        // Without a group nobody has written anything yet.
        let Some(page) = if_present(page)? else { break };
        lines.extend(page.events.unwrap_or_default().into_iter().filter_map(|event| event.message));
        lines.drain(..lines.len().saturating_sub(most));
    }
    Ok(lines)
}

/// What reading the lines of a group needs.
pub(crate) fn rights_to_read(names: &Names, group: &str) -> Right {
    let [all, group] = names.log_group_arns(group);
    Right::new("ReadLogs", &["logs:FilterLogEvents"], all).and(group)
}

/// What finding the streams of a group needs.
pub(crate) fn rights_to_find_streams(names: &Names, group: &str) -> Right {
    let [all, group] = names.log_group_arns(group);
    Right::new("ReadLogs", &["logs:DescribeLogStreams"], all).and(group)
}

/// Names of the streams of a log group that were made at that time or later.
pub(crate) async fn streams_since(clients: &Clients, group: &str, since_ms: i64) -> Result<Vec<String>, CloudError> {
    let request = clients.logs.describe_log_streams().log_group_name(group);
    let request = request.order_by(OrderBy::LastEventTime).descending(true);
    let mut pages = request.into_paginator().send();
    let mut names = vec![];
    for _ in 0..STREAM_PAGES {
        let Some(page) = pages.next().await else { break };
        let page = if_present(page.about("logs:DescribeLogStreams", format!("log group `{group}`")))?;
        // Without a group nobody has written anything yet.
        let new = page.and_then(|page| page.log_streams).unwrap_or_default().into_iter();
        let new = new.filter(|stream| stream.creation_time().is_some_and(|made_ms| made_ms >= since_ms));
        names.extend(new.filter_map(|stream| stream.log_stream_name));
    }
    names.truncate(MOST_STREAMS);
    Ok(names)
}

impl LogGroup {
    fn arn(&self) -> String {
        self.names.site.arn("logs", &format!("log-group:{}", self.name))
    }
}
