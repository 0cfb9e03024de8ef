//! Kinds of failure: one heading and one exit code each. The only printer of errors.

use std::error::Error;
use std::fmt::Write;

use spec::{Complaint, Complaints};
use stages::create_role::Lack;
use stages::rights::Denial;
use stages::{CloudError, Meaning, StageError};

use crate::terminal;

/// Exit code of wrong usage and of a wrong pipeline file, as `sysexits.h` numbers it.
pub(crate) const USAGE: u8 = 64;

/// Exit code of a result that could not be written, as `sysexits.h` numbers it.
const UNWRITTEN: u8 = 74;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The pipeline file, or what it points at, is wrong.
    Pipeline(Complaints),
    /// The command line is wrong.
    Usage(String),
    /// A call that only reads was refused.
    Cloud(CloudError),
    /// A stage stopped, at a resource.
    Stage { stage: String, doing: String, error: Box<StageError>, others: usize },
    /// One of the others, and what is known about how to mend it.
    Advised { failure: Box<Failure>, advice: String },
    /// The plan cannot be applied.
    Blocked(String),
    /// The local cloud could not be used.
    Local { what: String, source: Box<dyn Error + Send + Sync>, hint: Option<String> },
    /// The command is done, and its result could not be written.
    Unwritten(std::io::Error),
    /// A signal asked for the end: SIGINT (Ctrl-C), SIGTERM or SIGHUP.
    Interrupted { pending: Vec<String> },
    /// An invariant broke: a bug of ours.
    Internal { what: String, source: Box<dyn Error + Send + Sync> },
}

impl Failure {
    /// A bug of ours.
    pub(crate) fn internal(what: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal { what: what.to_owned(), source: source.into() }
    }

    /// The local cloud could not be used.
    pub(crate) fn local(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Local { what: what.into(), source: source.into(), hint: None }
    }

    /// What AWS said that somebody may not do, when that is why.
    pub(crate) fn denial(&self) -> Option<Denial> {
        match self {
            Self::Stage { error, .. } if explanation(error).is_some() => None,
            _ => Denial::find(&self.causes().join("\n")),
        }
    }

    /// As README and `design` number them.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Stage { error, .. } => match bare(error) {
                StageError::Check(_) | StageError::ChangedByOthers { .. } => 3,
                StageError::RolledBack { .. } | StageError::SwitchedBack { .. } => 4,
                _ => 1,
            },
            Self::Advised { failure, .. } => failure.code(),
            Self::Cloud(_) | Self::Local { .. } => 1,
            Self::Blocked(_) => 6,
            Self::Pipeline(_) | Self::Usage(_) => USAGE,
            Self::Internal { .. } => 70,
            Self::Unwritten(_) => UNWRITTEN,
            Self::Interrupted { .. } => 130,
        }
    }

    /// Prints it on stderr.
    pub(crate) fn print(&self) {
        let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        let text = match self {
            Self::Pipeline(complaints) => complaints.render(color),
            Self::Stage { error, .. } => match explanation(error) {
                Some(lack) => format!("{}\n{}", self.printable(), lack.complaint().render(color)),
                None => self.printable(),
            },
            _ => self.printable(),
        };
        terminal::say_styled(text.trim_end());
    }

    fn printable(&self) -> String {
        printable::escape(&self.text()).into_owned()
    }

    fn text(&self) -> String {
        let mut text = format!("error: {}", self.heading());
        for cause in self.causes() {
            _ = write!(text, "\n  because: {}", cause.replace('\n', "\n    "));
        }
        if let Some(hint) = self.hint() {
            _ = write!(text, "\nhint: {hint}");
        }
        text
    }

    fn heading(&self) -> String {
        match self {
            Self::Pipeline(complaints) => complaints.to_string(),
            Self::Cloud(_) => "could not look at what is there".to_owned(),
            Self::Stage { stage, doing, others: 0, .. } => format!("stage `{stage}` could not {doing}"),
            Self::Stage { stage, doing, others, .. } => {
                format!("stage `{stage}` could not {doing}, and {others} more failed, as told above")
            }
            Self::Advised { failure, .. } => failure.heading(),
            Self::Usage(what) | Self::Blocked(what) | Self::Local { what, .. } => what.clone(),
            Self::Interrupted { pending } if pending.is_empty() => "interrupted; nothing is pending".to_owned(),
            Self::Interrupted { pending } => format!("interrupted; still to do: {}", pending.join(", ")),
            Self::Internal { what, .. } => format!("internal error: {what}"),
            Self::Unwritten(_) => "could not write the result to standard output".to_owned(),
        }
    }

    fn causes(&self) -> Vec<String> {
        match self {
            Self::Cloud(error) => chain(error),
            Self::Stage { error, .. } => chain(error.as_ref()),
            Self::Advised { failure, .. } => failure.causes(),
            Self::Local { source, .. } | Self::Internal { source, .. } => chain(source.as_ref()),
            Self::Unwritten(error) => vec![error.to_string()],
            Self::Pipeline(_) | Self::Usage(_) | Self::Blocked(_) | Self::Interrupted { .. } => vec![],
        }
    }

    fn hint(&self) -> Option<String> {
        let again = "finished steps are kept: run the same command again";
        match self {
            Self::Cloud(error) if error.meaning() == Meaning::NoAnswer => {
                Some("nothing was changed; look at the network and at `endpoint-url`".to_owned())
            }
            Self::Cloud(error) => Some(error.hint()),
            Self::Stage { error, .. } if explanation(error).is_some() => {
                Some("write the statement that is named below, then run the same command again".to_owned())
            }
            Self::Stage { error, .. } => match error.as_ref() {
                StageError::Check(check) => check.hint.clone(),
                StageError::Cloud(error) => Some(error.hint()),
                StageError::TimedOut { .. } => Some(again.to_owned()),
                StageError::RolledBack { .. } | StageError::SwitchedBack { .. } => {
                    Some("the version before still serves; mend the cause and apply again".to_owned())
                }
                StageError::ChangedByOthers { .. } => {
                    Some("find out who else deploys it and what is to serve, then apply again".to_owned())
                }
                StageError::Here { .. } | StageError::Failed { .. } | StageError::Explained(_) => None,
            },
            Self::Advised { advice, .. } => Some(advice.clone()),
            Self::Local { hint, .. } => hint.clone(),
            Self::Interrupted { .. } => Some(again.to_owned()),
            Self::Unwritten(_) => Some("the command itself is done: `runner status` shows what is there".to_owned()),
            Self::Pipeline(_) | Self::Usage(_) | Self::Blocked(_) => None,
            Self::Internal { .. } => Some("this is a bug of `runner`; nothing was lost".to_owned()),
        }
    }
}

/// What failed, without what explains it.
fn bare(error: &StageError) -> &StageError {
    match error {
        StageError::Explained(explained) => bare(explained.error()),
        other => other,
    }
}

/// What a role lacks, when that is why it failed.
fn explanation(error: &StageError) -> Option<&Lack> {
    match error {
        StageError::Explained(explained) => Some(explained.lack()),
        StageError::SwitchedBack { source, .. } | StageError::ChangedByOthers { source, .. } => explanation(source),
        _ => None,
    }
}

/// An error and its causes, one line each.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        let line = source.to_string();
        if lines.last() != Some(&line) {
            lines.push(line);
        }
        next = source.source();
    }
    lines
}

impl From<Complaints> for Failure {
    fn from(complaints: Complaints) -> Self {
        Self::Pipeline(complaints)
    }
}

impl From<Complaint> for Failure {
    fn from(complaint: Complaint) -> Self {
        Self::Pipeline(complaint.into())
    }
}

impl From<CloudError> for Failure {
    fn from(error: CloudError) -> Self {
        Self::Cloud(error)
    }
}

impl From<plan::PlanError> for Failure {
    fn from(error: plan::PlanError) -> Self {
        Self::internal("the stages' declarations do not fit together", error)
    }
}
