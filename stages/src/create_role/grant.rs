//! What the roles are given by default, what a deployment needs them to be, and what a policy of the user's own lacks.

use std::fmt;

use serde_json::{Map, Value as Json, json};
use spec::{Complaint, Complaints, RolePolicy, Scope, Statement};

use crate::policy::{self, Question, Verdict, verdict};
use crate::{CloudError, Names, StageError, Wanted};

/// Default quota of a role's inline policies together, white space not counted. Source: IAM quotas.
const MAX_INLINE_CHARS: usize = 10_240;

/// A default statement: what its stage needs a role to be allowed.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// Unique among the statements of the role.
    pub(crate) sid: &'static str,
    pub(crate) actions: &'static [&'static str],
    /// ARNs with the placeholders of the pipeline file, or `*`.
    pub(crate) resources: Vec<String>,
    /// Null when it always holds.
    pub(crate) condition: Json,
    /// What a deployment does with it.
    pub(crate) needs: Vec<Need>,
}

/// One thing that a role must be allowed for a deployment to work.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    pub(crate) action: &'static str,
    /// The very ARN, or `*`.
    pub(crate) resource: String,
    /// Condition keys of the request, as far as they are known.
    pub(crate) keys: Vec<(&'static str, String)>,
    /// What comes of it when it is missing.
    pub(crate) without: &'static str,
    /// Parts of what AWS says then; none when nothing fails.
    pub(crate) told: &'static [&'static str],
}

/// The policy of a role, and what it lacks.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) document: Json,
    pub(crate) lacks: Vec<Lack>,
}

/// Something that a deployment needs and the policy in the pipeline file does not allow.
#[derive(Clone, Debug)]
pub struct Lack {
    told: &'static [&'static str],
    line: usize,
    /// What is missing, where, and what to add.
    complaint: Complaint,
    without: &'static str,
    advice: String,
}

impl Grant {
    fn statement(&self, fill: &dyn Fn(&str) -> String) -> Json {
        let actions = match self.actions {
            [only] => json!(only),
            more => json!(more),
        };
        let resources = match self.resources.as_slice() {
            [only] => json!(fill(only)),
            more => more.iter().map(|resource| fill(resource)).collect(),
        };
        let mut statement = json!({ "Sid": self.sid, "Effect": "Allow", "Action": actions, "Resource": resources });
        if !self.condition.is_null() {
            statement["Condition"] = self.condition.clone();
        }
        statement
    }

    /// As a line of the pipeline file.
    fn line(&self) -> String {
        let actions = match self.actions {
            [only] => (*only).to_owned(),
            more => format!("[{}]", more.join(", ")),
        };
        let condition = match self.condition.as_object() {
            Some(condition) => format!(", Condition: {}", flow(condition)),
            None => String::new(),
        };
        let resources = match self.resources.as_slice() {
            [only] => format!("\"{only}\""),
            more => {
                format!("[{}]", more.iter().map(|resource| format!("\"{resource}\"")).collect::<Vec<_>>().join(", "))
            }
        };
        format!("- {{ Sid: {}, Effect: Allow, Action: {actions}, Resource: {resources}{condition} }}", self.sid)
    }
}

/// A block of keys in the one-line form of YAML, with texts in quotes.
fn flow(block: &Map<String, Json>) -> String {
    let entry = |(key, value): (&String, &Json)| match value.as_object() {
        Some(block) => format!("{key}: {}", flow(block)),
        None => format!("{key}: {value}"),
    };
    format!("{{ {} }}", block.iter().map(entry).collect::<Vec<_>>().join(", "))
}

impl Granted {
    /// The policy that the pipeline file has for a role, else the default one. `place` is where the file may say it.
    pub(crate) fn of(wanted: &Wanted<'_>, place: &str, role: &str, written: &RolePolicy, grants: &[Grant]) -> Self {
        let names = wanted.names;
        let mut statements: Vec<(Json, Option<String>)> = match &written.policy {
            None => grants.iter().map(|grant| (grant.statement(&|text| names.fill(text)), None)).collect(),
            Some(policy) => placed(policy, names, &format!("{place}.policy")),
        };
        statements.extend(placed(&written.also, names, &format!("{place}.also")));
        let (statements, places): (Vec<Json>, Vec<Option<String>>) = statements.into_iter().unzip();
        let mut lacks = vec![];
        for (grant, need) in grants.iter().flat_map(|grant| grant.needs.iter().map(move |need| (grant, need))) {
            let question = Question { action: need.action, resource: &need.resource, keys: &need.keys };
            let found = match verdict(&statements, question) {
                Verdict::Covered => continue,
                found => found,
            };
            lacks.push(Lack::new(wanted, role, (grant, need), (place, &places), found));
        }
        Self { document: policy::document(&statements), lacks }
    }

    /// Refuses a policy that IAM would refuse for what is known only here: its size, and ids of default statements.
    pub(crate) fn check(&self, wanted: &Wanted<'_>, place: &str) -> Result<(), Complaints> {
        let statements = self.document["Statement"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut sids: Vec<&str> = statements.iter().filter_map(|statement| statement["Sid"].as_str()).collect();
        sids.sort_unstable();
        if let Some([twice, _]) = sids.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("the default policy has a statement with the `Sid` `{twice}`");
            let complaint = wanted.spec.complain(&format!("{place}.also"), message);
            return Err(complaint.help("give yours another `Sid`, or none").into());
        }
        let chars = policy::quota_chars(&self.document);
        if chars > MAX_INLINE_CHARS {
            let message = format!("the policy has {chars} characters, and IAM takes {MAX_INLINE_CHARS}");
            let complaint = wanted.spec.complain(place, message);
            return Err(complaint.help("white space is not counted; wildcards make a policy shorter").into());
        }
        Ok(())
    }
}

/// Statements of the pipeline file as JSON, and where each stands.
fn placed(statements: &[Statement], names: &Names, path: &str) -> Vec<(Json, Option<String>)> {
    let statements = statements.iter().enumerate();
    statements.map(|(index, it)| (as_json(it, names), Some(format!("{path}[{index}]")))).collect()
}

fn as_json(statement: &Statement, names: &Names) -> Json {
    let texts = |list: &[String]| match list {
        [only] => json!(names.fill(only)),
        more => more.iter().map(|text| names.fill(text)).collect(),
    };
    let mut written = json!({ "Effect": format!("{:?}", statement.effect) });
    for (key, scope) in [("Action", &statement.action), ("Resource", &statement.resource)] {
        match scope {
            Scope::Of(list) => written[key] = texts(list),
            Scope::AllBut(list) => written[format!("Not{key}")] = texts(list),
        }
    }
    if let Some(sid) = &statement.sid {
        written["Sid"] = json!(sid);
    }
    for (operator, tests) in &statement.condition {
        for (key, values) in tests {
            written["Condition"][operator][key] = texts(values);
        }
    }
    written
}

impl Lack {
    fn new(
        wanted: &Wanted<'_>,
        role: &str,
        (grant, need): (&Grant, &Need),
        (place, places): (&str, &[Option<String>]),
        found: Verdict,
    ) -> Self {
        let written = |index: usize, key: &str| places[index].as_ref().map(|place| format!("{place}.{key}"));
        let policy = || (format!("{place}.policy"), "no statement here allows it");
        let (at, label) = match found {
            Verdict::Denied(index) => {
                (written(index, "Effect").unwrap_or_else(|| place.to_owned()), "this statement denies it")
            }
            Verdict::Uncovered(Some(index)) => match written(index, "Resource") {
                Some(at) => (at, "this statement allows it on something else, or not always"),
                None => policy(),
            },
            Verdict::Uncovered(None) | Verdict::Covered => policy(),
        };
        let (action, resource) = (need.action, &need.resource);
        let message = match resource.as_str() {
            "*" => format!("role `{role}` may not do `{action}`"),
            resource => format!("role `{role}` may not do `{action}` on `{resource}`"),
        };
        let complaint = wanted.spec.complain(&at, message).label(label).note();
        let complaint = complaint.help(format!("without it {}", need.without));
        let advice = match found {
            Verdict::Denied(_) => "take the denial away, or narrow it".to_owned(),
            _ => format!("add `{}`", grant.line()),
        };
        let (told, without, line) = (need.told, need.without, complaint.line());
        Self { told, line, complaint: complaint.help(advice.as_str()), without, advice }
    }

    /// What is missing, underlined in the pipeline file, and what to add.
    pub fn complaint(&self) -> &Complaint {
        &self.complaint
    }

    /// The same for a plan, in one line.
    pub(crate) fn warning(&self) -> String {
        let Self { line, without, advice, .. } = self;
        format!("{} (line {line} of the pipeline file): without it {without}; {advice}", self.complaint.message())
    }

    /// Whether a message tells of it.
    pub(crate) fn is_told_by(&self, message: &str) -> bool {
        self.told.iter().any(|told| message.contains(told))
    }
}

/// What a role lacks, for those who meet it.
#[derive(Clone, Debug)]
pub(crate) struct Lacks(Vec<Lack>);

impl Lacks {
    pub(crate) fn new(lacks: Vec<Lack>) -> Self {
        Self(lacks)
    }

    /// The one that a message tells of.
    pub(crate) fn told_by(&self, message: &str) -> Option<&Lack> {
        self.0.iter().find(|lack| lack.is_told_by(message))
    }

    /// Turns a refusal that would pass into one that stays, when what it waits for cannot come.
    pub(crate) fn final_if_told<T>(&self, answer: Result<T, CloudError>) -> Result<T, CloudError> {
        answer.map_err(|error| if self.told_by(&error.message()).is_some() { error.for_good() } else { error })
    }

    /// Adds to an error what explains it; one that tells of nothing missing stays as it is.
    pub(crate) fn explain(&self, error: StageError) -> StageError {
        let message = match &error {
            StageError::Cloud(error) => error.message(),
            other => other.to_string(),
        };
        match self.told_by(&message) {
            Some(lack) => Explained::of(error, lack.clone()).into(),
            None => error,
        }
    }
}

/// An error that something explains which a role lacks.
#[derive(Debug)]
pub struct Explained {
    error: StageError,
    lack: Lack,
}

impl Explained {
    pub(crate) fn of(error: StageError, lack: Lack) -> Box<Self> {
        Box::new(Self { error, lack })
    }

    /// What failed.
    pub fn error(&self) -> &StageError {
        &self.error
    }

    /// Why.
    pub fn lack(&self) -> &Lack {
        &self.lack
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Explained {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
