//! Alarms of ours, which take a new version back while it is rolled out.
//!
//! SageMaker measures a variant also by the config that it serves, so an alarm watches the new machines alone: what
//! goes wrong on the old ones does not keep the version from coming that mends it.
//! Source: AWS documentation, "Auto-Rollback Configuration and Monitoring".

use async_trait::async_trait;
use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, Dimension, MetricAlarm, Statistic, Tag};
use plan::{Facts, Observation, Outputs, ResourceId};
use spec::RollbackOn;

use super::endpoint_config::CONFIG_NAME;
use super::{STAGE, VARIANT};
use crate::cloud_error::{Explain, if_present};
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, tags};

/// Where SageMaker counts what endpoints are asked.
const NAMESPACE: &str = "AWS/SageMaker";
/// Seconds over which one value is made: the shortest for which SageMaker counts.
const PERIOD_S: i32 = 60;
/// Nobody asked, so nothing went wrong.
const NO_DATA: &str = "notBreaching";
const MICROSECONDS_PER_MS: f64 = 1000.0;

const ENDPOINT_DIMENSION: &str = "EndpointName";
const VARIANT_DIMENSION: &str = "VariantName";
const CONFIG_DIMENSION: &str = "EndpointConfigName";

/// What an alarm watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// Requests that the containers answered with an error.
    Errors,
    /// How long the containers took.
    Latency,
}

/// An alarm of ours.
#[derive(Debug)]
pub(super) struct Alarm {
    watch: Watch,
    /// In the metric's unit; none: the file does not ask for this alarm.
    threshold: Option<f64>,
    name: String,
    names: Names,
}

impl Watch {
    pub(super) const ALL: [Self; 2] = [Self::Errors, Self::Latency];

    pub(super) fn id(self) -> ResourceId {
        match self {
            Self::Errors => ResourceId::new("create-endpoint/alarm-errors"),
            Self::Latency => ResourceId::new("create-endpoint/alarm-latency"),
        }
    }

    /// The alarm's name.
    pub(super) fn name(self, names: &Names) -> String {
        match self {
            Self::Errors => format!("{}-errors", names.endpoint),
            Self::Latency => format!("{}-latency", names.endpoint),
        }
    }

    /// At which value it is in alarm, in the metric's unit; none when the file does not ask for it.
    pub(super) fn threshold(self, rollback: &RollbackOn) -> Option<f64> {
        match self {
            Self::Errors => rollback.errors_per_minute.map(f64::from),
            Self::Latency => rollback.latency_ms.map(|ms| ms * MICROSECONDS_PER_MS),
        }
    }

    fn metric(self) -> &'static str {
        match self {
            Self::Errors => "Invocation5XXErrors",
            // In microseconds.
            Self::Latency => "ModelLatency",
        }
    }

    fn statistic(self) -> Statistic {
        match self {
            Self::Errors => Statistic::Sum,
            Self::Latency => Statistic::Average,
        }
    }

    fn comparison(self) -> ComparisonOperator {
        match self {
            Self::Errors => ComparisonOperator::GreaterThanOrEqualToThreshold,
            Self::Latency => ComparisonOperator::GreaterThanThreshold,
        }
    }
}

#[async_trait]
impl Resource for Alarm {
    fn id(&self) -> ResourceId {
        self.watch.id()
    }

    fn kind(&self) -> &'static str {
        "alarm"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn desired(&self) -> Facts {
        let Some(threshold) = self.threshold else { return Facts::default() };
        let (watch, ours) = (self.watch, &self.names);
        Facts::default()
            .field("config", CONFIG_NAME.known(ours.endpoint_config.as_str()))
            .field("of", of_words(&ours.endpoint, VARIANT))
            .field("when", words(&watch.statistic(), watch.metric(), &watch.comparison(), threshold))
            .field("each", period_words(PERIOD_S, 1, 1))
            .field("without_data", NO_DATA)
    }

    fn rights(&self) -> Vec<Right> {
        let arn = self.names.site.arn("cloudwatch", &format!("alarm:{}", self.name));
        let actions = ["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:ListTagsForResource"];
        vec![
            Right::new("RollbackAlarms", &actions, arn.as_str()),
            Right::new("RollbackAlarms", &["cloudwatch:DeleteAlarms"], arn.as_str()).to_delete(),
            right_to_describe(),
        ]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        Ok(self.look(clients).await?)
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.put(ctx, None).await
    }

    /// Writing an alarm replaces all of it: what others had it do when it rings is kept.
    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let live = describe(ctx.clients, std::slice::from_ref(&self.name)).await?;
        self.put(ctx, live.metric_alarms().first()).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        ctx.settled(&self.subject(), ctx.limits.propagation, || async {
            let answer = ctx.clients.cloudwatch.delete_alarms().alarm_names(name).send().await;
            if_present(answer.about("cloudwatch:DeleteAlarms", self.subject())).map(drop)
        })
        .await
    }
}

impl Alarm {
    /// Whether the pipeline file asks for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.threshold.is_some()
    }

    pub(super) fn new(watch: Watch, rollback: &RollbackOn, names: &Names) -> Self {
        Self { watch, threshold: watch.threshold(rollback), name: watch.name(names), names: names.clone() }
    }

    fn subject(&self) -> String {
        format!("alarm `{}`", self.name)
    }

    async fn look(&self, clients: &Clients) -> Result<Observation, CloudError> {
        let live = describe(clients, std::slice::from_ref(&self.name)).await?;
        if !live.composite_alarms().is_empty() {
            let owner = "it is an alarm made of others: it belongs to somebody else".to_owned();
            return Ok(Observation::Foreign { owner });
        }
        let Some(alarm) = live.metric_alarms().first() else { return Ok(Observation::Absent) };
        let request = clients.cloudwatch.list_tags_for_resource();
        let answer = request.resource_arn(alarm.alarm_arn().unwrap_or_default()).send().await;
        let Some(tags) = if_present(answer.about("cloudwatch:ListTagsForResource", self.subject()))? else {
            return Ok(Observation::Absent);
        };
        let tags = tags.tags().iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()));
        if let Some(owner) = tags::foreign(&self.names, tags) {
            return Ok(Observation::Foreign { owner });
        }
        Ok(Observation::Present { facts: live_facts(alarm), outputs: Outputs::new() })
    }

    async fn put(&self, ctx: &Ctx<'_>, live: Option<&MetricAlarm>) -> Result<Outputs, StageError> {
        let config: String = ctx.get(&CONFIG_NAME)?;
        let of = [
            (ENDPOINT_DIMENSION, self.names.endpoint.as_str()),
            (VARIANT_DIMENSION, VARIANT),
            (CONFIG_DIMENSION, config.as_str()),
        ];
        let of = of.map(|(name, value)| Dimension::builder().name(name).value(value).build());
        let tags = tags::of(&self.names, STAGE.name).into_iter();
        let tags: Vec<_> = tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        ctx.settled(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx
                .clients
                .cloudwatch
                .put_metric_alarm()
                .alarm_name(&self.name)
                .alarm_description(format!("Takes back a new version of endpoint {}.", self.names.endpoint))
                .namespace(NAMESPACE)
                .metric_name(self.watch.metric())
                .set_dimensions(Some(of.to_vec()))
                .statistic(self.watch.statistic())
                .comparison_operator(self.watch.comparison())
                .set_threshold(self.threshold)
                .period(PERIOD_S)
                .evaluation_periods(1)
                .treat_missing_data(NO_DATA)
                .set_actions_enabled(live.and_then(MetricAlarm::actions_enabled))
                .set_alarm_actions(live.and_then(|live| live.alarm_actions.clone()))
                .set_ok_actions(live.and_then(|live| live.ok_actions.clone()))
                .set_insufficient_data_actions(live.and_then(|live| live.insufficient_data_actions.clone()));
            // Tags of an alarm that exists are left alone by this call.
            let answer = request.set_tags(Some(tags.clone())).send().await;
            answer.about("cloudwatch:PutMetricAlarm", self.subject()).map(drop)
        })
        .await?;
        Ok(Outputs::new())
    }
}

/// To look at alarms, by whatever name. Source: `DescribeAlarms`, which lists composite ones only to who may see all.
pub(super) fn right_to_describe() -> Right {
    Right::new("NoResource", &["cloudwatch:DescribeAlarms"], "*")
}

/// Alarms of those names, of any type.
pub(super) async fn describe(clients: &Clients, names: &[String]) -> Result<DescribeAlarmsOutput, CloudError> {
    let request = clients.cloudwatch.describe_alarms().set_alarm_names(Some(names.to_vec()));
    let request = request.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
    let listed: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    request.send().await.about("cloudwatch:DescribeAlarms", format!("alarm {}", listed.join(", ")))
}

fn live_facts(alarm: &MetricAlarm) -> Facts {
    let dimension = |name: &str| {
        let found = alarm.dimensions().iter().find(|dimension| dimension.name() == Some(name));
        found.and_then(Dimension::value).unwrap_or("(any)")
    };
    let evaluations = alarm.evaluation_periods().unwrap_or_default();
    let (statistic, comparison) = (alarm.statistic(), alarm.comparison_operator());
    let metric = alarm.metric_name().filter(|_| alarm.namespace() == Some(NAMESPACE));
    let when = match (statistic, metric, comparison, alarm.threshold()) {
        (Some(statistic), Some(metric), Some(comparison), Some(threshold)) => {
            words(statistic, metric, comparison, threshold)
        }
        _ => "something else".to_owned(),
    };
    let each = period_words(
        alarm.period().unwrap_or_default(),
        alarm.datapoints_to_alarm().unwrap_or(evaluations),
        evaluations,
    );
    Facts::default()
        .field("config", dimension(CONFIG_DIMENSION))
        .field("of", of_words(dimension(ENDPOINT_DIMENSION), dimension(VARIANT_DIMENSION)))
        .field("when", when)
        .field("each", each)
        .field("without_data", alarm.treat_missing_data().unwrap_or("missing"))
}

fn of_words(endpoint: &str, variant: &str) -> String {
    format!("endpoint {endpoint}, variant {variant}")
}

/// For example `Sum of Invocation5XXErrors >= 5`.
fn words(statistic: &Statistic, metric: &str, comparison: &ComparisonOperator, threshold: f64) -> String {
    let comparison = match comparison {
        ComparisonOperator::GreaterThanOrEqualToThreshold => ">=",
        ComparisonOperator::GreaterThanThreshold => ">",
        other => other.as_str(),
    };
    let unit = if metric == Watch::Latency.metric() { " microseconds" } else { "" };
    format!("{} of {metric} {comparison} {threshold}{unit}", statistic.as_str())
}

fn period_words(period_s: i32, datapoints: i32, of: i32) -> String {
    match (datapoints, of) {
        (1, 1) => format!("{period_s} s"),
        _ => format!("{period_s} s, {datapoints} of {of} times"),
    }
}
