//! `List…` calls: filter, sort, page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::record::invalid;
use super::training::{Job, JobStatus};
use super::validate::{Faults, Members, integer, number, text};
use crate::Cloud;
use crate::call::Refusal;

/// Page size when none is asked for.
const DEFAULT_PAGE: usize = 10;

/// One line of a list, and what it is filtered and sorted by.
struct Item {
    name: String,
    created: f64,
    modified: f64,
    status: &'static str,
    summary: Value,
}

/// `ListModels`.
pub(super) fn models(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let items = cloud.sagemaker.memory.read(|memory| {
        let summary = |record: &super::record::Record| Item {
            name: record.name.clone(),
            created: record.created,
            modified: record.created,
            status: "",
            summary: json!({ "ModelName": record.name, "ModelArn": record.arn, "CreationTime": record.created }),
        };
        memory.models.values().map(summary).collect()
    });
    page(request, "Models", items, &["Name", "CreationTime"])
}

/// `ListEndpointConfigs`.
pub(super) fn configs(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let items = cloud.sagemaker.memory.read(|memory| {
        let summary = |record: &super::record::Record| Item {
            name: record.name.clone(),
            created: record.created,
            modified: record.created,
            status: "",
            summary: json!({
                "EndpointConfigName": record.name,
                "EndpointConfigArn": record.arn,
                "CreationTime": record.created,
            }),
        };
        memory.configs.values().map(summary).collect()
    });
    page(request, "EndpointConfigs", items, &["Name", "CreationTime"])
}

/// `ListEndpoints`.
pub(super) fn endpoints(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let items = cloud.sagemaker.memory.read(|memory| {
        let summary = |endpoint: &super::record::Endpoint| Item {
            name: endpoint.name.clone(),
            created: endpoint.created,
            modified: endpoint.modified,
            status: endpoint.status.as_str(),
            summary: json!({
                "EndpointName": endpoint.name,
                "EndpointArn": endpoint.arn,
                "CreationTime": endpoint.created,
                "LastModifiedTime": endpoint.modified,
                "EndpointStatus": endpoint.status.as_str(),
            }),
        };
        memory.endpoints.values().map(summary).collect()
    });
    page(request, "Endpoints", items, &["Name", "CreationTime", "Status"])
}

/// `ListTrainingJobs`.
pub(super) fn training_jobs(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    faults.one_of(text(request, "StatusEquals")?, "statusEquals", JobStatus::NAMES);
    faults.finish()?;
    let items = cloud.sagemaker.memory.read(|memory| {
        let summary = |job: &Job| Item {
            name: job.name.clone(),
            created: job.created,
            modified: job.modified,
            status: job.status.as_str(),
            summary: job.summary(),
        };
        memory.training_jobs.values().map(summary).collect()
    });
    page(request, "TrainingJobSummaries", items, &["Name", "CreationTime", "Status"])
}

fn page(request: &Members, member: &str, mut items: Vec<Item>, sort_keys: &[&str]) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let sort_by = text(request, "SortBy")?.unwrap_or("CreationTime");
    let order = text(request, "SortOrder")?.unwrap_or("Descending");
    let size = integer(request, "MaxResults")?;
    faults.one_of(Some(sort_by), "sortBy", sort_keys);
    faults.one_of(Some(order), "sortOrder", &["Ascending", "Descending"]);
    faults.range(size, "maxResults", 1, 100);
    faults.finish()?;
    let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(DEFAULT_PAGE);

    let part = text(request, "NameContains")?.unwrap_or_default().to_owned();
    let status = text(request, "StatusEquals")?;
    let bound = |key| number(request, key);
    let (after, before) = (bound("CreationTimeAfter")?, bound("CreationTimeBefore")?);
    let (modified_after, modified_before) = (bound("LastModifiedTimeAfter")?, bound("LastModifiedTimeBefore")?);
    items.retain(|item| {
        item.name.contains(&part)
            && status.is_none_or(|status| item.status == status)
            && after.is_none_or(|after| item.created > after)
            && before.is_none_or(|before| item.created < before)
            && modified_after.is_none_or(|after| item.modified > after)
            && modified_before.is_none_or(|before| item.modified < before)
    });

    let position = |item: &Item| match sort_by {
        "Name" => item.name.clone(),
        "Status" => format!("{} {}", item.status, item.name),
        // Milliseconds of fixed width sort as text.
        _ => format!("{:020.3} {}", item.created, item.name),
    };
    items.sort_by_key(position);
    if order == "Descending" {
        items.reverse();
    }
    // The token names the last item seen, so that a deletion in between shifts nothing.
    if let Some(token) = text(request, "NextToken")? {
        let last = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let last = last.ok_or_else(|| invalid("The pagination token is not valid."))?;
        items.retain(|item| match order {
            "Ascending" => position(item) > last,
            _ => position(item) < last,
        });
    }
    let next = (items.len() > size).then(|| URL_SAFE_NO_PAD.encode(position(&items[size - 1])));
    let summaries: Vec<Value> = items.into_iter().take(size).map(|item| item.summary).collect();
    let mut answer = json!({ member: summaries });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}
