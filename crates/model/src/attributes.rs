//! What the attributes of a file change about its scores.
//!
//! `XGBoost` keeps texts by name in `learner.attributes`. The core never reads them when it predicts. Python's package and
//! AWS's container do, each release in its own way, and so the same file scores differently:
//!
//! | Attribute or member | 1.3 | 1.5 | 1.7 | 3.0, 3.2 |
//! |---|---|---|---|---|
//! | `best_iteration`, by early stopping | written, not read back | wrapper predicts with the rounds up to it | as 1.5 | as 1.5 |
//! | `best_ntree_limit`, in trees | member of `scikit_learn` only; the wrapper predicts with it | written for every model; the container predicts with it | as 1.5 | not known |
//! | `best_score` | reported only | reported only | reported only | reported only |
//! | `scikit_learn`, by the wrapper's `save_model` | read back into the wrapper, `best_ntree_limit` included | read back, without `best_*` | as 1.5 | its type is compared |
//! | `num_parallel_tree` | not in the file: 1 once loaded | not in the file: 1 once loaded | `gbtree_model_param`: trees of a round | as 1.7 |
//! | `iteration_indptr` | none | none | none | first tree of every round |
//! | `base_score` as a list | ignored | ignored | ignored | written and read from 3.1, ignored by 3.0 |
//! | `boost_from_average` | none | none | without effect once there are trees | as 1.7 |
//! | `boosted_rounds` of `gblinear` | none | not asked for | not asked for | without it, 3.1 and newer add the base score again |
//! | `weight_drop` of `dart` | factor of each tree | as 1.3 | as 1.3 | as 1.3 |
//! | `num_class`, `num_target`, `size_leaf_vector`, `multi_strategy` | more scores than one | more scores than one | more scores than one | more scores than one |
//! | UBJSON | refused | refused | read | read, the default |
//! | `default_left` as numbers | refused | refused | written | written |
//!
//! Whatever gives more scores than one, and `dart`, is refused by [`crate::Unsupported`]. The rest is settled here and in
//! `read`, and is not in the files that `write` makes: what they hold is scored alike by every release.
//!
//! `Booster.predict`, which the containers 1.3-1, 3.0-5 and 3.2-0 call without a limit, takes all trees of a file. The
//! containers 1.5-1 and 1.7-1 call it with `best_ntree_limit`. `XGBClassifier.predict_proba` after training takes the
//! rounds up to `best_iteration` in every release, for `gbtree` and `dart`; a `gblinear` model has one state only. That is
//! what counts here. Two files lose it when their own release reads them back: of 1.3, one that `Booster.save_model`
//! wrote, and of 1.5, a forest within each round.
//!
//! Sources: `python-package/xgboost/{sklearn,core,training,callback}.py`, `src/learner.cc`, `src/gbm/gbtree.{h,cc}`,
//! `src/gbm/gbtree_model.{h,cc}` and `src/tree/tree_model.cc` of `XGBoost` 1.3.3, 1.5.2, 1.7.6, 3.0.5 and 3.2.0;
//! `algorithm_mode/serve_utils.py` of `sagemaker-xgboost-container`, tags v1.3-1, v1.5-1, v1.7-1 and v3.0-5 (there is
//! none for 3.2-0; its newest commit has the code of v3.0-5). Compared with all five by the test `stopped_early` of `trainer`.

use std::fmt;

use crate::error::ModelError;
use crate::json;
use crate::value::{Place, Value};

/// Says which trees of a file count, because `XGBoost` stopped early and grew some in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlyStop {
    /// The round with the best validation metric, counted from 0.
    pub best_iteration: u64,
    /// How many trees count: those of the rounds up to it.
    pub trees: usize,
    /// How many trees are in the file.
    pub of: usize,
}

impl fmt::Display for EarlyStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} (best iteration {})", self.trees, self.of, self.best_iteration)
    }
}

/// The attributes that say which trees count; a text that is not a count limits nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attributes {
    best_iteration: Option<u64>,
    /// In trees, as 1.4 to 1.7 write it.
    best_ntree_limit: Option<u64>,
    /// How many trees a round has, where only the attributes can say it.
    trees_per_round: Option<u64>,
}

impl Attributes {
    pub(crate) fn read(learner: &Place<'_>) -> Result<Self, ModelError> {
        let Some(attributes) = learner.optional("attributes")? else { return Ok(Self::default()) };
        let best_iteration = count(&attributes, "best_iteration")?;
        let best_ntree_limit = count(&attributes, "best_ntree_limit")?;
        let mut trees_per_round = per_round(best_iteration, best_ntree_limit);
        if trees_per_round.is_none()
            && let Some(wrapper) = attributes.optional("scikit_learn")?
            && let Ok(text) = wrapper.text()
            && let Ok(state @ Value::Object(_)) = json::parse(text.as_bytes())
        {
            trees_per_round = per_round(best_iteration, count(&Place::top(&state), "best_ntree_limit")?);
        }
        Ok(Self { best_iteration, best_ntree_limit, trees_per_round })
    }

    /// How many of the trees a container of 1.5 or 1.7 asks for; none when it asks for all.
    pub(crate) fn tree_limit(&self, trees: usize) -> Option<u64> {
        self.best_ntree_limit.filter(|limit| (1..trees as u64).contains(limit))
    }

    /// Finds the trees that count among the `trees` of a `gbtree` model; none when all of them do.
    ///
    /// A best iteration beyond the last round, as in a slice of an earlier model, limits nothing: `XGBoost` refuses to
    /// predict with it.
    pub(crate) fn early_stop(&self, model: &Place<'_>, trees: usize) -> Result<Option<EarlyStop>, ModelError> {
        let Some(best_iteration) = self.best_iteration else { return Ok(None) };
        let rounds = best_iteration.saturating_add(1);
        let counted = if let Some(starts) = model.optional("iteration_indptr")? {
            first_trees(&starts, rounds, trees)?
        } else {
            let param = model.member("gbtree_model_param")?;
            let per_round = match param.optional("num_parallel_tree")? {
                Some(per_round) => per_round.count()?,
                None => self.trees_per_round.unwrap_or(1),
            };
            usize::try_from(rounds.saturating_mul(per_round.max(1))).unwrap_or(trees)
        };
        Ok((counted < trees).then_some(EarlyStop { best_iteration, trees: counted, of: trees }))
    }
}

fn count(place: &Place<'_>, name: &str) -> Result<Option<u64>, ModelError> {
    Ok(place.optional(name)?.and_then(|count| count.count().ok()))
}

/// Divides the trees that count by the rounds that count; none where that is not a whole number.
fn per_round(best_iteration: Option<u64>, trees: Option<u64>) -> Option<u64> {
    let (rounds, trees) = (best_iteration?.checked_add(1)?, trees?);
    (trees > 0 && trees.is_multiple_of(rounds)).then(|| trees / rounds)
}

/// How many trees the first rounds have, by the list of the tree that each round begins with.
fn first_trees(starts: &Place<'_>, rounds: u64, trees: usize) -> Result<usize, ModelError> {
    let list = starts.integers()?;
    let last = i64::try_from(trees).unwrap_or(i64::MAX);
    if list.first() != Some(&0) || list.last() != Some(&last) || !list.is_sorted() {
        return Err(starts.wrong_type("a list that rises from 0 to the number of trees"));
    }
    let end = usize::try_from(rounds).ok().and_then(|rounds| list.get(rounds)).unwrap_or(&last);
    Ok(usize::try_from(*end).unwrap_or(trees))
}
