//! The gate: what the evaluation must reach before anything is deployed.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use plan::{Facts, ResourceId};
use spec::Require;
use trainer::{Metrics, Threshold, ThresholdError, at_threshold};

use super::{GATE, Known, Live, MODEL, live};
use crate::{Cache, Check, CheckError, Clients, Ctx, Evidence, Inputs, Names, Right, StageError, package, upload};

#[derive(Debug)]
pub(super) struct Gate {
    pub(super) require: Require,
    pub(super) inputs: Arc<Inputs>,
    pub(super) names: Names,
    pub(super) threshold: Threshold,
    /// Whether there is an endpoint to look at: not when its stage is left out.
    pub(super) serves: bool,
}

/// One line of `require`.
struct Rule {
    /// As a plan names it.
    fact: &'static str,
    words: &'static str,
    limit: Option<f64>,
    at_least: bool,
    /// None: these scores have no such metric.
    measured: Option<f64>,
}

#[async_trait]
impl Check for Gate {
    fn id(&self) -> ResourceId {
        GATE
    }

    fn kind(&self) -> &'static str {
        "gate"
    }

    fn name(&self) -> &'static str {
        "metrics"
    }

    fn desired(&self) -> Facts {
        let unmeasured = [None; 7];
        let facts = self.rules(unmeasured).into_iter().fold(Facts::default(), |facts, rule| match rule.limit {
            Some(limit) => {
                facts.field(rule.fact, format!("at {} {limit}", if rule.at_least { "least" } else { "most" }))
            }
            None => facts,
        });
        match self.require.not_worse_than_live {
            Some(0.0) => facts.field("not_worse_than_live", "average precision at least that of the live model"),
            Some(much) => facts
                .field("not_worse_than_live", format!("average precision at most {much} below that of the live model")),
            None => facts,
        }
    }

    fn after(&self) -> Vec<ResourceId> {
        vec![MODEL]
    }

    fn rights(&self) -> Vec<Right> {
        live::rights(&self.names)
    }

    /// The metrics of this model, if it was trained before, and those of the live one.
    async fn look(&self, clients: &Clients) -> Result<Facts, StageError> {
        let facts = self.cached(&clients.cache)?;
        match self.other(clients).await? {
            Some(live) => {
                let words = live.known.as_ref().and_then(|known| self.words(known));
                Ok(facts.field("live_model", words.unwrap_or_else(|| format!("`{}`, of unknown metrics", live.name))))
            }
            None => Ok(facts),
        }
    }

    fn cached(&self, cache: &Cache) -> Result<Facts, StageError> {
        let own = cache.model(&self.inputs.model.fingerprint);
        let own = own.map(|cached| Known::from_json(&cache.read(&cached.evaluation)?)).transpose()?;
        let words = own.and_then(|known| self.words(&known));
        Ok(words.into_iter().fold(Facts::default(), |facts, words| facts.field("this_model", words)))
    }

    async fn run(&self, ctx: &Ctx<'_>) -> Result<Evidence, StageError> {
        let known = Known::load(ctx.clients, &self.names, &self.inputs).await?;
        let (Some(metrics), Some(scores)) = (known.metrics(), known.test_scores()) else {
            return Ok(vec!["trained elsewhere: its metrics are not known; `test-data` would tell".to_owned()]);
        };
        let other = self.other(ctx.clients).await?;
        let threshold = match known.threshold(self.threshold) {
            Ok(threshold) => threshold,
            Err(error) => return Err(self.no_threshold(ctx, &known, other.as_ref(), &error)?),
        };
        let report = self.report(ctx, &known, threshold, other.as_ref())?;
        let at = at_threshold(scores, threshold);
        let Metrics { average_precision, roc_auc, log_loss, brier_score, .. } = *metrics;
        let [average_precision, roc_auc, precision, recall, f1] =
            [average_precision, roc_auc, at.precision, at.recall, at.f1].map(Some);
        let measured = [average_precision, roc_auc, precision, recall, f1, log_loss, brier_score];
        let rules = self.rules(measured);
        let refusals: Vec<String> = rules.iter().filter(|rule| !rule.holds()).map(Rule::refusal).collect();
        if !refusals.is_empty() {
            return Err(refused(refusals.join("; "), report.hint()));
        }
        let mut evidence: Evidence = known.metrics_words(threshold).into_iter().collect();
        if let Some(live) = &other {
            evidence.push(self.compare(metrics, live, &report)?);
        }
        if !self.serves && self.require.not_worse_than_live.is_some() {
            evidence.push("not compared with the live model, since no endpoint is switched".to_owned());
        }
        evidence.push(format!("report: {}", report.0.display()));
        Ok(evidence)
    }
}

impl Gate {
    /// What serves now, unless it is this model.
    async fn other(&self, clients: &Clients) -> Result<Option<Live>, StageError> {
        if self.serves { other(clients, &self.names, &self.inputs).await } else { Ok(None) }
    }

    /// The metrics at the threshold; none when there are no metrics, or no such threshold.
    fn words(&self, known: &Known) -> Option<String> {
        known.metrics_words(known.threshold(self.threshold).ok()?)
    }

    /// Every limit on a metric, and what was measured, in the same order.
    fn rules(&self, measured: [Option<f64>; 7]) -> [Rule; 7] {
        let [average_precision, roc_auc, precision, recall, f1, log_loss, brier_score] = measured;
        let require = &self.require;
        let rule = |fact, words, limit, at_least, measured| Rule { fact, words, limit, at_least, measured };
        [
            rule("average_precision", "average precision", require.average_precision, true, average_precision),
            rule("roc_auc", "ROC AUC", require.roc_auc, true, roc_auc),
            rule("precision", "precision", require.precision, true, precision),
            rule("recall", "recall", require.recall, true, recall),
            rule("f1", "F1", require.f1, true, f1),
            rule("log_loss", "log loss", require.log_loss, false, log_loss),
            rule("brier_score", "Brier score", require.brier_score, false, brier_score),
        ]
    }

    /// Says how this model compares with the live one, or refuses it. Each was judged by test rows of its own time.
    fn compare(&self, metrics: &Metrics, live: &Live, report: &Report) -> Result<String, StageError> {
        let Some(lives) = live.known.as_ref().and_then(Known::metrics) else {
            let words = format!("the live model `{}` has no known metrics to compare with", live.name);
            return match self.require.not_worse_than_live {
                Some(_) => Err(refused(words, "leave `not-worse-than-live` out for this once".to_owned())),
                None => Ok(words),
            };
        };
        let (new, old) = (metrics.average_precision, lives.average_precision);
        match self.require.not_worse_than_live {
            Some(allowed) if new < old - allowed => {
                let summary = format!(
                    "the model's average precision is {new:.4}, more than {allowed} below the {old:.4} of the live model"
                );
                Err(refused(summary, report.hint()))
            }
            _ => Ok(format!("live until now: `{}`, average precision {old:.4}", live.name)),
        }
    }

    /// The refusal of a model that no threshold does for; its page shows the one where F1 is highest.
    fn no_threshold(
        &self,
        ctx: &Ctx<'_>,
        known: &Known,
        other: Option<&Live>,
        error: &ThresholdError,
    ) -> Result<StageError, StageError> {
        let look = match known.threshold(Threshold::BestF1) {
            Ok(threshold) => format!("look at {}, ", self.report(ctx, known, threshold, other)?.0.display()),
            Err(_) => String::new(),
        };
        let hint =
            format!("nothing was deployed; {look}mend the data or the parameters, or ask for less by `threshold`");
        Ok(refused(error.to_string(), hint))
    }

    /// Writes the page for people beside the model, also for a model that does not pass.
    fn report(&self, ctx: &Ctx<'_>, known: &Known, threshold: f64, other: Option<&Live>) -> Result<Report, StageError> {
        let path = ctx.cache.report(&self.inputs.model.fingerprint);
        if let Some(page) = html(known, &self.names, &self.inputs, (self.threshold, threshold), other, ctx.today) {
            ctx.cache.write(&path, page.as_bytes())?;
        }
        Ok(Report(path))
    }
}

/// Where the page was written.
struct Report(PathBuf);

impl Report {
    fn hint(&self) -> String {
        format!(
            "nothing was deployed; look at {}, mend the data or the parameters, or ask for less by `require`",
            self.0.display()
        )
    }
}

/// The live model, unless it is this one.
async fn other(clients: &Clients, names: &Names, inputs: &Inputs) -> Result<Option<Live>, StageError> {
    let live = live(clients, names).await?;
    Ok(live.filter(|live| live.fingerprint != package::short(&inputs.model.fingerprint)))
}

/// What is known about the model as a page for people, beside what serves now; without clients, from the cache alone.
pub async fn page(
    clients: Option<&Clients>,
    cache: &Cache,
    names: &Names,
    inputs: &Inputs,
    rule: Threshold,
    today: &str,
) -> Result<String, StageError> {
    let nothing = |why: String| StageError::here("there is nothing to show", why);
    let untrained = || nothing("the model has not been trained yet; `runner apply` trains it".to_owned());
    let (known, other) = match (cache.model(&inputs.model.fingerprint), clients) {
        (Some(cached), None) => (Known::from_json(&cache.read(&cached.evaluation)?)?, None),
        (None, None) => return Err(untrained()),
        (cached, Some(clients)) => {
            let remote = upload::object_sha256(clients, names, &names.evaluation_key);
            if cached.is_none() && remote.await?.is_none() {
                return Err(untrained());
            }
            (Known::load(clients, names, inputs).await?, other(clients, names, inputs).await?)
        }
    };
    let threshold = known.threshold(rule).map_err(|error| nothing(error.to_string()))?;
    html(&known, names, inputs, (rule, threshold), other.as_ref(), today).ok_or_else(|| {
        nothing("the model was trained elsewhere, and `test-data` names no rows to judge it by".to_owned())
    })
}

/// The evaluation as a page for people; none when the model's metrics are not known.
fn html(
    known: &Known,
    names: &Names,
    inputs: &Inputs,
    (rule, threshold): (Threshold, f64),
    other: Option<&Live>,
    today: &str,
) -> Option<String> {
    let subject = known.subject()?;
    let live = other.and_then(|live| {
        let known = live.known.as_ref()?;
        let threshold = known.threshold(rule).unwrap_or(threshold);
        Some(report::Live { name: &live.name, threshold, subject: known.subject()? })
    });
    let model = package::short(&inputs.model.fingerprint);
    let headline = report::Headline { pipeline: &names.pipeline, model: &model, date: today };
    Some(report::html(subject, &headline, threshold, live.as_ref()))
}

impl Rule {
    fn holds(&self) -> bool {
        let Some(limit) = self.limit else { return true };
        self.measured.is_some_and(|measured| if self.at_least { measured >= limit } else { measured <= limit })
    }

    fn refusal(&self) -> String {
        let (words, limit) = (self.words, self.limit.unwrap_or_default());
        let side = if self.at_least { "below" } else { "above" };
        match self.measured {
            Some(measured) => format!("the model's {words} is {measured:.4}, {side} the required {limit}"),
            None => format!("the model's scores are no probabilities, so there is no {words} to require"),
        }
    }
}

fn refused(summary: String, hint: String) -> StageError {
    CheckError { summary, hint: Some(hint) }.into()
}
