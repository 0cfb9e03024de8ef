//! A log group with retention, made before whatever writes to it would make one that keeps everything for ever.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::OrderBy;
use plan::{Facts, Observation, Outputs, ResourceId};

use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::tags::Owner;
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, create_endpoint, deploy_proxy, tags};

/// Pages of the list of a log's streams that are read, of 50 each, the latest first.
const STREAM_PAGES: usize = 4;
/// Source: `logStreamNames` of `FilterLogEvents`.
const MOST_STREAMS: usize = 100;
/// Pages of a log that are read for them, of up to 10,000 lines each.
const LOG_PAGES: usize = 20;

/// Who writes to a log group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Lambda, which makes the group of a function anew when it is gone.
    Function,
    /// SageMaker, which makes the group of an endpoint anew when it is gone.
    Endpoint,
    /// API Gateway, which writes only to a group that somebody made.
    Gateway,
}

/// A log group.
#[derive(Debug)]
pub(crate) struct LogGroup {
    pub(crate) id: ResourceId,
    pub(crate) name: String,
    pub(crate) writer: Writer,
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
        let mut rights = vec![
            Right::new("LogGroups", &actions, all.as_str()).and(group.as_str()),
            Right::new("LogGroups", &["logs:DeleteLogGroup"], all).and(group).to_delete(),
            // It is found in a list, which is about no group.
            Right::new("NoResource", &["logs:DescribeLogGroups"], "*"),
        ];
        // Whose a group without tags is hangs on whose its writer is.
        match self.writer {
            Writer::Function => rights.extend(deploy_proxy::rights_to_look(&self.names)),
            Writer::Endpoint => {
                rights.push(Right::new("Endpoint", &["sagemaker:ListTags"], self.names.endpoint_arn()));
            }
            Writer::Gateway => {}
        }
        rights
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let subject = self.subject();
        let groups = clients.logs.describe_log_groups().log_group_name_prefix(&self.name).send().await;
        let groups = groups.about("logs:DescribeLogGroups", &subject)?;
        let Some(group) = groups.log_groups().iter().find(|group| group.log_group_name() == Some(&self.name)) else {
            return Ok(Observation::Absent);
        };
        let Some(tags) = self.tags(clients).await? else { return Ok(Observation::Absent) };
        let facts = match group.retention_in_days() {
            Some(days) => Facts::default().field("retention_days", days),
            None => Facts::default().field("retention_days", "for ever"),
        };
        let Some(owner) = tags::foreign(&self.names, pairs(&tags)) else {
            return Ok(Observation::Present { facts, outputs: Outputs::new() });
        };
        match self.made_by_itself(clients, &tags).await? {
            Some(who) => Ok(Observation::Ownerless {
                why: format!("{who} made it by itself, without the tags of a pipeline"),
                facts,
                outputs: Outputs::new(),
            }),
            None => Ok(Observation::Foreign { owner }),
        }
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let subject = self.subject();
        let tags = tags::of(&self.names, self.id.stage());
        let made = ctx.settled(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.logs.create_log_group().log_group_name(&self.name);
            let answer = request.set_tags(Some(tags.clone())).send().await;
            or_already_there(answer.about("logs:CreateLogGroup", &subject)).map(|made| made.is_some())
        });
        if !made.await? {
            self.adopt(ctx).await?;
        }
        self.put_retention(ctx).await
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.adopt(ctx).await?;
        self.put_retention(ctx).await
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
    /// Its tags; none when it is gone.
    async fn tags(&self, clients: &Clients) -> Result<Option<HashMap<String, String>>, CloudError> {
        let answer = clients.logs.list_tags_for_resource().resource_arn(self.arn()).send().await;
        let answer = if_present(answer.about("logs:ListTagsForResource", self.subject()))?;
        Ok(answer.map(|answer| answer.tags.unwrap_or_default()))
    }

    /// The service that made a group with these tags on our behalf; none when somebody else made it.
    async fn made_by_itself(
        &self,
        clients: &Clients,
        tags: &HashMap<String, String>,
    ) -> Result<Option<&'static str>, CloudError> {
        if tags.contains_key(tags::PIPELINE) {
            return Ok(None);
        }
        let (who, owner) = match self.writer {
            Writer::Function => ("Lambda", deploy_proxy::owner(clients, &self.names).await?),
            Writer::Endpoint => {
                let arn = self.names.endpoint_arn();
                ("SageMaker", create_endpoint::owner(clients, &self.names, &arn).await?)
            }
            Writer::Gateway => return Ok(None),
        };
        // What wrote there may be gone: its lines are still about our name.
        Ok((!matches!(owner, Owner::Other(_))).then_some(who))
    }

    /// Gives it our tags, unless it has them. A group that somebody else made meanwhile is left alone.
    async fn adopt(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        let tags = self.tags(ctx.clients).await?.unwrap_or_default();
        let Some(owner) = tags::foreign(&self.names, pairs(&tags)) else { return Ok(()) };
        if self.made_by_itself(ctx.clients, &tags).await?.is_none() {
            return Err(StageError::Failed { what: self.subject(), cause: owner });
        }
        let request = ctx.clients.logs.tag_resource().resource_arn(self.arn());
        let answer = request.set_tags(Some(tags::of(&self.names, self.id.stage()))).send().await;
        if_present(answer.about("logs:TagResource", self.subject()))?;
        Ok(())
    }

    async fn put_retention(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        ctx.settled(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx.clients.logs.put_retention_policy().log_group_name(&self.name);
            let answer = request.retention_in_days(self.retention_days).send().await;
            answer.about("logs:PutRetentionPolicy", self.subject())
        })
        .await?;
        Ok(Outputs::new())
    }

    fn subject(&self) -> String {
        format!("log group `{}`", self.name)
    }

    fn arn(&self) -> String {
        self.names.site.arn("logs", &format!("log-group:{}", self.name))
    }
}

fn pairs(tags: &HashMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}
