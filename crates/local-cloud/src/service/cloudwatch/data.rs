//! Data points in and out: `PutMetricData`, `GetMetricStatistics`, `GetMetricData` and `ListMetrics`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::alarm::{STATISTICS, finish};
use super::metric::{Key, NO_UNIT, Summary, dimensions};
use super::{CloudWatch, now_ms};
use crate::call::Refusal;
use crate::service::sagemaker::validate::{Faults, Members, flag, inner, integer, list, number, structure, text};

/// Most data points of one `GetMetricStatistics`.
const MAX_POINTS: i64 = 1440;
/// Most data points of one `GetMetricData`, and queries in it.
const MAX_QUERIED_POINTS: i64 = 100_800;
const MAX_QUERIES: usize = 500;
/// Metrics on a page of `ListMetrics`.
const PAGE: usize = 500;
/// Source: botocore, `StandardUnit`.
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    NO_UNIT,
];

pub(super) fn put_metric_data(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let namespace = text(request, "Namespace")?;
    if namespace.is_none() {
        faults.missing("namespace");
    }
    let data = list(request, "MetricData")?.unwrap_or_default();
    for (index, datum) in data.iter().enumerate() {
        let at = |member: &str| format!("metricData.{}.member.{member}", index + 1);
        let datum = structure(datum)?;
        if text(datum, "MetricName")?.is_none() {
            faults.missing(&at("metricName"));
        }
        faults.one_of(text(datum, "Unit")?, &at("unit"), &UNITS);
    }
    finish(faults)?;
    let mut read = Vec::new();
    for (index, datum) in data.iter().enumerate() {
        let datum = structure(datum)?;
        let at_ms = number(datum, "Timestamp")?.map_or_else(now_ms, |seconds| (seconds * 1000.0) as i64);
        let key = Key {
            namespace: namespace.unwrap_or_default().to_owned(),
            name: text(datum, "MetricName")?.unwrap_or_default().to_owned(),
            dimensions: dimensions(list(datum, "Dimensions")?),
        };
        let unit = text(datum, "Unit")?.unwrap_or(NO_UNIT);
        read.push((key, unit, at_ms, summaries(datum, &format!("MetricData.member.{}", index + 1))?));
    }
    // All of a request, or nothing.
    for (key, unit, at_ms, summaries) in read {
        for summary in summaries {
            service.metrics().add(key.clone(), unit, at_ms, &summary);
        }
    }
    Ok(json!({}))
}

/// A datum is one value, a set of statistics, or values with their counts.
fn summaries(datum: &Members, at: &str) -> Result<Vec<Summary>, Refusal> {
    let value = number(datum, "Value")?;
    let (set, values) = (inner(datum, "StatisticValues")?, list(datum, "Values")?);
    let both = |code: &str, one: &str, other: &str| {
        let message =
            format!("The parameters {at}.{one} and {at}.{other} are mutually exclusive and you have specified both.");
        Err(Refusal::new(400, code, message))
    };
    match (value, set, values) {
        (Some(_), Some(_), _) => both("InvalidParameterCombination", "Value", "StatisticValues"),
        (Some(_), _, Some(_)) => both("InvalidParameterValue", "Value", "Values"),
        (_, Some(_), Some(_)) => both("InvalidParameterCombination", "StatisticValues", "Values"),
        (Some(value), None, None) => Ok(vec![Summary::of(value)]),
        (None, Some(set), None) => {
            let of = |member: &str| Ok::<_, Refusal>(number(set, member)?.unwrap_or_default());
            let (least, most) = (of("Minimum")?, of("Maximum")?);
            Ok(vec![Summary { count: of("SampleCount")?, sum: of("Sum")?, least, most }])
        }
        (None, None, Some(values)) => {
            let counts = list(datum, "Counts")?;
            if counts.is_some_and(|counts| counts.len() != values.len()) {
                let message = format!("The parameters {at}.Values and {at}.Counts must be of the same size.");
                return Err(Refusal::new(400, "InvalidParameterValue", message));
            }
            let counted = values.iter().filter_map(Value::as_f64).enumerate().map(|(index, value)| {
                let count = counts.and_then(|counts| counts.get(index)?.as_f64()).unwrap_or(1.0);
                Summary { count, sum: value * count, least: value, most: value }
            });
            Ok(counted.collect())
        }
        (None, None, None) => {
            let message = format!("The parameter {at}.Value is required, or Values, or StatisticValues.");
            Err(Refusal::new(400, "MissingParameter", message))
        }
    }
}

pub(super) fn get_metric_statistics(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    for (member, at) in [("Namespace", "namespace"), ("MetricName", "metricName")] {
        if text(request, member)?.is_none() {
            faults.missing(at);
        }
    }
    let span = Span::read(request, integer(request, "Period")?, &mut faults)?;
    let statistics: Vec<&str> =
        list(request, "Statistics")?.unwrap_or_default().iter().filter_map(Value::as_str).collect();
    for statistic in &statistics {
        faults.one_of(Some(statistic), "statistics", &STATISTICS);
    }
    faults.one_of(text(request, "Unit")?, "unit", &UNITS);
    finish(faults)?;
    if statistics.is_empty() {
        let message = "Must specify either Statistics or ExtendedStatistics";
        return Err(Refusal::new(400, "InvalidParameterCombination", message));
    }
    if span.from_ms / 1000 >= span.to_ms / 1000 {
        let message = "The parameter StartTime must be less than the parameter EndTime.";
        return Err(Refusal::new(400, "InvalidParameterValue", message));
    }
    if span.points() > MAX_POINTS {
        let message = format!("You have requested more than the {MAX_POINTS} datapoints that a request can have.");
        return Err(Refusal::new(400, "InvalidParameterCombination", message));
    }
    let key = key(request)?;
    let mut points = vec![];
    for (at_ms, unit, summary) in span.read_points(service, &key, text(request, "Unit")?) {
        let mut point = Map::new();
        point.insert("Timestamp".into(), json!(at_ms as f64 / 1000.0));
        point.insert("Unit".into(), unit.into());
        for statistic in &statistics {
            if let Some(value) = summary.statistic(statistic) {
                point.insert((*statistic).to_owned(), json!(value));
            }
        }
        points.push(Value::Object(point));
    }
    Ok(json!({ "Label": key.name, "Datapoints": points }))
}

/// Answers one query after another. Expressions are not offered, and every query is of one metric.
pub(super) fn get_metric_data(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let queries = list(request, "MetricDataQueries")?;
    if queries.is_none() {
        faults.missing("metricDataQueries");
    }
    let queries = queries.unwrap_or_default();
    faults.length(queries.len(), "metricDataQueries", 0, MAX_QUERIES);
    faults.one_of(text(request, "ScanBy")?, "scanBy", &["TimestampDescending", "TimestampAscending"]);
    let mut read = Vec::new();
    for (index, query) in queries.iter().enumerate() {
        let at = |member: &str| format!("metricDataQueries.{}.member.{member}", index + 1);
        let query = structure(query)?;
        let id = text(query, "Id")?;
        if id.is_none() {
            faults.missing(&at("id"));
        }
        if let Some(id) = id.filter(|id| !is_id(id)) {
            faults.add(id, &at("id"), "satisfy regular expression pattern: [a-z][a-zA-Z0-9_]*");
        }
        let Some(stat) = inner(query, "MetricStat")? else {
            let message = format!("The parameter MetricDataQueries.member.{}.MetricStat is required.\n", index + 1);
            return Err(Refusal::new(400, "ValidationError", message));
        };
        let statistic = text(stat, "Stat")?;
        if statistic.is_none() {
            faults.missing(&at("metricStat.stat"));
        }
        faults.one_of(text(stat, "Unit")?, &at("metricStat.unit"), &UNITS);
        let span = Span::read(request, integer(stat, "Period")?, &mut faults)?;
        let metric = inner(stat, "Metric")?.map(key).transpose()?;
        let Some(metric) = metric else {
            faults.missing(&at("metricStat.metric"));
            continue;
        };
        read.push((query, id.unwrap_or_default(), metric, statistic.unwrap_or_default(), text(stat, "Unit")?, span));
    }
    finish(faults)?;
    let invalid = |message: &str| Err(Refusal::new(400, "ValidationError", message));
    let (mut results, mut points, mut ids) = (vec![], 0, BTreeSet::new());
    for (query, id, metric, statistic, unit, span) in read {
        if !STATISTICS.contains(&statistic) {
            return Err(Refusal::not_offered(format!("the statistic `{statistic}` of GetMetricData")));
        }
        match (span.from_ms / 1000).cmp(&(span.to_ms / 1000)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return invalid("The parameter StartTime must not equal parameter EndTime."),
            std::cmp::Ordering::Greater => return invalid("The parameter EndTime must be greater than StartTime."),
        }
        if !ids.insert(id) {
            return invalid("The values for parameter id in MetricDataQueries must be unique.");
        }
        points += span.points();
        if points > MAX_QUERIED_POINTS {
            return Err(Refusal::not_offered(format!("more than {MAX_QUERIED_POINTS} data points of GetMetricData")));
        }
        if flag(query, "ReturnData")? == Some(false) {
            continue;
        }
        // One value a period, whatever the units.
        let mut periods: BTreeMap<i64, Summary> = BTreeMap::new();
        for (at_ms, _, summary) in span.read_points(service, &metric, unit) {
            periods.entry(at_ms).and_modify(|period| period.add(&summary)).or_insert(summary);
        }
        let mut found: Vec<_> =
            periods.into_iter().filter_map(|(at_ms, summary)| Some((at_ms, summary.statistic(statistic)?))).collect();
        if text(request, "ScanBy")? != Some("TimestampAscending") {
            found.reverse();
        }
        results.push(json!({
            "Id": id,
            "Label": text(query, "Label")?.unwrap_or(&metric.name),
            "Timestamps": found.iter().map(|(at_ms, _)| *at_ms as f64 / 1000.0).collect::<Vec<_>>(),
            "Values": found.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            "StatusCode": "Complete",
        }));
    }
    Ok(json!({ "MetricDataResults": results, "Messages": [] }))
}

fn is_id(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The metric that a structure names.
fn key(named: &Members) -> Result<Key, Refusal> {
    Ok(Key {
        namespace: text(named, "Namespace")?.unwrap_or_default().to_owned(),
        name: text(named, "MetricName")?.unwrap_or_default().to_owned(),
        dimensions: dimensions(list(named, "Dimensions")?),
    })
}

/// From when to when, and in which steps.
#[derive(Default)]
#[expect(clippy::struct_field_names, reason = "the unit comes last")]
struct Span {
    from_ms: i64,
    to_ms: i64,
    period_ms: i64,
}

impl Span {
    /// `StartTime` and `EndTime` of a request, and a period in seconds.
    fn read(request: &Members, period_s: Option<i64>, faults: &mut Faults) -> Result<Self, Refusal> {
        let times = (number(request, "StartTime")?, number(request, "EndTime")?, period_s);
        let (Some(from), Some(to), Some(period_s)) = times else {
            for (is_missing, at) in
                [(times.0.is_none(), "startTime"), (times.1.is_none(), "endTime"), (times.2.is_none(), "period")]
            {
                if is_missing {
                    faults.missing(at);
                }
            }
            return Ok(Self::default());
        };
        faults.range(Some(period_s), "period", 1, i64::MAX);
        let period_ms = period_s.max(1).saturating_mul(1000);
        Ok(Self { from_ms: (from * 1000.0) as i64, to_ms: (to * 1000.0) as i64, period_ms })
    }

    fn points(&self) -> i64 {
        self.to_ms.saturating_sub(self.from_ms) / self.period_ms
    }

    /// What was measured in each period that has data, by time: when it begins, the unit, and the values.
    fn read_points(&self, service: &CloudWatch, key: &Key, unit: Option<&str>) -> Vec<(i64, String, Summary)> {
        let begins = self.from_ms.div_euclid(self.period_ms) * self.period_ms;
        let metrics = service.metrics();
        let mut points: BTreeMap<(i64, String), Summary> = BTreeMap::new();
        for (of, at_ms, summary) in metrics.slots(key, begins, self.to_ms) {
            if unit.is_none_or(|unit| unit == of) {
                let at_ms = at_ms.div_euclid(self.period_ms) * self.period_ms;
                let point = points.entry((at_ms, of.to_owned()));
                point.and_modify(|point| point.add(summary)).or_insert(*summary);
            }
        }
        points.into_iter().map(|((at_ms, unit), summary)| (at_ms, unit, summary)).collect()
    }
}

pub(super) fn list_metrics(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let (namespace, name) = (text(request, "Namespace")?, text(request, "MetricName")?);
    let mut wanted = Vec::new();
    for dimension in list(request, "Dimensions")?.unwrap_or_default() {
        let dimension = structure(dimension)?;
        wanted.push((text(dimension, "Name")?.unwrap_or_default(), text(dimension, "Value")?));
    }
    let bad_token = || Refusal::new(400, "InvalidParameterValue", "Request parameter NextToken is invalid");
    let from: usize = match text(request, "NextToken")? {
        None => 0,
        Some(token) => token.parse().map_err(|_| bad_token())?,
    };
    let metrics = service.metrics();
    let mut found: Vec<&Key> = metrics
        .keys()
        .filter(|key| {
            namespace.is_none_or(|it| it == key.namespace)
                && name.is_none_or(|it| it == key.name)
                && wanted.iter().all(|(name, value)| {
                    key.dimensions.get(*name).is_some_and(|has| value.is_none_or(|value| value == has))
                })
        })
        .collect();
    found.sort_by_key(|key| (&key.namespace, &key.name, &key.dimensions));
    if from > found.len() {
        return Err(bad_token());
    }
    let page = found.iter().skip(from).take(PAGE).map(|key| {
        let dimensions: Vec<_> =
            key.dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
        json!({ "Namespace": key.namespace, "MetricName": key.name, "Dimensions": dimensions })
    });
    let mut answer = json!({ "Metrics": page.collect::<Vec<_>>() });
    if from + PAGE < found.len() {
        answer["NextToken"] = (from + PAGE).to_string().into();
    }
    Ok(answer)
}
