//! Which call fails, and on which side of its effect.
//!
//! ```json
//! {"rules": [
//!   {"match": {"write": 3}, "fault": "lose-answer", "then-halt": true},
//!   {"match": {"service": "iam", "operation": "CreateRole", "nth": 1},
//!    "fault": {"refuse": {"status": 403, "code": "AccessDenied", "message": "no"}}}
//! ]}
//! ```

use serde::{Deserialize, Serialize};

/// What `/_local/faults` takes.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The first that matches a call decides.
    pub rules: Vec<Rule>,
}

impl Rules {
    /// What is wrong with them, beyond their form: an outcome belongs to a call that can have it.
    pub fn complaint(&self) -> Option<String> {
        self.rules.iter().find_map(|rule| {
            let Fault::Outcome(outcome) = rule.fault else { return None };
            let operation = rule.r#match.operation.as_deref().unwrap_or_default();
            let fits = rule.r#match.service.as_deref() == Some("sagemaker") && outcome.fits(operation);
            (!fits).then(|| {
                format!(
                    "the outcome {} is none of that operation of that service: it is one of `sagemaker`'s `CreateEndpoint`, \
                     `UpdateEndpoint` or `CreateTrainingJob`, and the rule's `match` must say so",
                    serde_json::json!(outcome)
                )
            })
        })
    }
}

/// One rule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// Which calls. All that is said must hold.
    pub r#match: Match,
    /// What happens to them.
    pub fault: Fault,
    /// Whether every later write is refused until the rules change: an outage begins here.
    #[serde(default)]
    pub then_halt: bool,
}

/// Which calls a rule means.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The n-th write of any service since the rules were put, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<u64>,
    /// Signing name, or `execute-api` for the data plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// For example `CreateRole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The n-th call of this service and operation since the rules were put, from 1; every one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
}

/// What happens to a call.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Not done, and said so.
    Refuse {
        /// HTTP status.
        status: u16,
        /// Error code on the wire.
        code: String,
        /// Message on the wire.
        message: String,
    },
    /// Done, but the connection ends without an answer.
    LoseAnswer,
    /// Done after a wait, in milliseconds.
    DelayMs(u64),
    /// Not done: too many requests, in the service's own words.
    Throttle,
    /// Not done: the connection ends without an answer.
    Reset,
    /// Done, but what it begins ends as only AWS would end it.
    Outcome(Outcome),
}

/// How what `CreateEndpoint`, `UpdateEndpoint` or `CreateTrainingJob` begins goes on, for which nothing here would be the cause.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// There are no such machines: a new endpoint or a job fails, an update goes back.
    NoCapacity,
    /// A job fails by no fault of its own.
    ServiceFault,
    /// An update goes back, and no reason is given.
    SilentRollback,
    /// An update fails, and so does going back.
    RollbackFailed,
    /// It takes so much longer, in milliseconds.
    SlowMs(u64),
    /// AWS maintains the endpoint for so long, in milliseconds, once it is in service.
    MaintainedMs(u64),
}

impl Outcome {
    /// Whether an operation of SageMaker can end so.
    fn fits(self, operation: &str) -> bool {
        match self {
            Self::SilentRollback | Self::RollbackFailed => operation == "UpdateEndpoint",
            Self::ServiceFault => operation == "CreateTrainingJob",
            Self::NoCapacity => matches!(operation, "CreateEndpoint" | "UpdateEndpoint" | "CreateTrainingJob"),
            Self::SlowMs(_) | Self::MaintainedMs(_) => {
                matches!(operation, "CreateEndpoint" | "UpdateEndpoint")
            }
        }
    }
}

impl Fault {
    /// Its name in the rules and in the request log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refuse { .. } => "refuse",
            Self::LoseAnswer => "lose-answer",
            Self::DelayMs(_) => "delay-ms",
            Self::Throttle => "throttle",
            Self::Reset => "reset",
            Self::Outcome(_) => "outcome",
        }
    }
}

/// The rules in force and what they have counted.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Faults {
    rules: Vec<Rule>,
    /// Calls each rule's service and operation has seen.
    seen: Vec<u64>,
    /// How often each rule has struck.
    struck: Vec<u64>,
    writes: u64,
    halted: bool,
}

impl Faults {
    /// Replaces the rules and counts anew. An outage ends.
    pub fn put(&mut self, Rules { rules }: Rules) {
        let zeros = vec![0; rules.len()];
        *self = Self { rules, seen: zeros.clone(), struck: zeros, writes: 0, halted: false };
    }

    /// Counts a call and says what happens to it.
    pub fn meet(&mut self, service: &str, operation: &str, write: bool) -> Option<Fault> {
        self.writes += u64::from(write);
        let mut decided = None;
        for (index, rule) in self.rules.iter().enumerate() {
            let Match { write: nth_write, service: of, operation: named, nth } = &rule.r#match;
            if of.as_deref().is_some_and(|of| of != service) || named.as_deref().is_some_and(|named| named != operation)
            {
                continue;
            }
            self.seen[index] += 1;
            let fits = nth_write.is_none_or(|nth| write && nth == self.writes)
                && nth.is_none_or(|nth| nth == self.seen[index]);
            if fits && decided.is_none() {
                decided = Some(index);
            }
        }
        if self.halted && write {
            let (code, message) = ("SimulatedOutage", "An earlier fault halted every write.");
            return Some(Fault::Refuse { status: 403, code: code.to_owned(), message: message.to_owned() });
        }
        let index = decided?;
        self.struck[index] += 1;
        self.halted |= self.rules[index].then_halt;
        Some(self.rules[index].fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(rules: serde_json::Value) -> Faults {
        let mut faults = Faults::default();
        faults.put(serde_json::from_value(rules).unwrap());
        faults
    }

    #[test]
    fn the_nth_write_is_hit_whatever_is_read_between() {
        let mut faults = faults(json!({"rules": [{"match": {"write": 2}, "fault": "lose-answer"}]}));
        assert_eq!(faults.meet("iam", "CreateRole", true), None);
        assert_eq!(faults.meet("iam", "GetRole", false), None);
        assert_eq!(faults.meet("s3", "PutObject", true), Some(Fault::LoseAnswer));
        assert_eq!(faults.meet("s3", "PutObject", true), None);
        assert_eq!(faults.writes, 3);
    }

    #[test]
    fn the_nth_call_of_an_operation_is_hit_once() {
        let rule = json!({"match": {"service": "iam", "operation": "GetRole", "nth": 2}, "fault": {"delay-ms": 5}});
        let mut faults = faults(json!({"rules": [rule]}));
        assert_eq!(faults.meet("iam", "GetRole", false), None);
        assert_eq!(faults.meet("iam", "ListRoles", false), None);
        assert_eq!(faults.meet("iam", "GetRole", false), Some(Fault::DelayMs(5)));
        assert_eq!(faults.meet("iam", "GetRole", false), None);
    }

    #[test]
    fn a_halt_refuses_writes_but_not_reads_until_the_rules_change() {
        let mut faults = faults(json!({"rules": [{"match": {"write": 1}, "fault": "reset", "then-halt": true}]}));
        assert_eq!(faults.meet("iam", "CreateRole", true), Some(Fault::Reset));
        assert_eq!(faults.meet("iam", "GetRole", false), None);
        let Some(Fault::Refuse { code, .. }) = faults.meet("s3", "PutObject", true) else { panic!("not refused") };
        assert_eq!(code, "SimulatedOutage");
        faults.put(Rules::default());
        assert_eq!(faults.meet("s3", "PutObject", true), None);
    }

    #[test]
    fn an_outcome_belongs_to_a_call_that_can_have_it() {
        let rules = |operation: &str, outcome: serde_json::Value| {
            let rule =
                json!({"match": {"service": "sagemaker", "operation": operation}, "fault": {"outcome": outcome}});
            serde_json::from_value::<Rules>(json!({ "rules": [rule] })).unwrap().complaint()
        };
        assert_eq!(rules("UpdateEndpoint", json!("silent-rollback")), None);
        assert_eq!(rules("CreateEndpoint", json!({"slow-ms": 5})), None);
        assert_eq!(rules("CreateTrainingJob", json!("service-fault")), None);
        for (operation, outcome) in [
            ("CreateEndpoint", "rollback-failed"),
            ("CreateModel", "no-capacity"),
            ("CreateTrainingJob", "silent-rollback"),
            ("", "no-capacity"),
        ] {
            assert!(rules(operation, json!(outcome)).is_some(), "{operation} {outcome}");
        }
    }

    #[test]
    fn a_rule_with_an_unknown_word_is_refused() {
        let rules = json!({"rules": [{"match": {"wirte": 1}, "fault": "reset"}]});
        assert!(serde_json::from_value::<Rules>(rules).is_err());
    }
}
