//! What is wrong with a pipeline file, and where.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// The text of a pipeline file and the name it has in messages.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// One thing that is wrong with a pipeline file, and the place where it is.
///
/// `Display` is one line, for logs; [`render`](Self::render) shows the place as well, for people.
#[derive(Clone, thiserror::Error)]
#[error("{}:{}: {message}", file.path, self.position())]
pub struct Complaint {
    message: String,
    label: Option<Box<str>>,
    help: Vec<String>,
    span: Range<usize>,
    also: Vec<(Range<usize>, String)>,
    file: Arc<SourceFile>,
    is_note: bool,
}

impl Complaint {
    pub(crate) fn new(file: &Arc<SourceFile>, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: printable::escape_line(&message.into()).into_owned(),
            label: None,
            help: Vec::new(),
            span,
            also: Vec::new(),
            file: Arc::clone(file),
            is_note: false,
        }
    }

    /// Adds what the reader could do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(printable::escape_line(&help.into()).into_owned());
        self
    }

    /// Adds a few words right under the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(printable::escape_line(&label.into()).into());
        self
    }

    /// Makes it explain an error that was told before, and not be one of its own.
    #[must_use]
    pub fn note(mut self) -> Self {
        self.is_note = true;
        self
    }

    /// Adds a second place that has to do with it.
    #[must_use]
    pub(crate) fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.also.push((span, printable::escape_line(&label.into()).into_owned()));
        self
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line of the place, from 1.
    pub fn line(&self) -> usize {
        self.position().line
    }

    /// The column of the place in characters, from 1.
    pub fn column(&self) -> usize {
        self.position().column
    }

    /// Shows the complaint with the lines it is about, as rustc would.
    pub fn render(&self, color: bool) -> String {
        let primary = AnnotationKind::Primary.span(self.span.clone()).label(self.label.as_deref());
        let context = self.also.iter().map(|(span, label)| AnnotationKind::Context.span(span.clone()).label(label));
        let snippet = Snippet::source(&self.file.text).path(&self.file.path).annotation(primary).annotations(context);
        let level = if self.is_note { Level::NOTE } else { Level::ERROR };
        let report = level
            .primary_title(&self.message)
            .element(snippet)
            .elements(self.help.iter().map(|help| Level::HELP.message(help)));
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.decor_style(DecorStyle::Ascii).render(&[report])
    }

    fn position(&self) -> Position {
        let before = self.file.text.get(..self.span.start).unwrap_or(&self.file.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

impl fmt::Debug for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Complaint({self})")
    }
}

/// Everything that is wrong with a pipeline file, in the order of the file; at least one thing.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Complaints(Vec<Complaint>);

impl Complaints {
    /// Sorts what was found by its place. What an alias repeats is said once.
    pub(crate) fn new(mut complaints: Vec<Complaint>) -> Self {
        debug_assert!(!complaints.is_empty(), "a file is refused only with a reason");
        complaints.sort_by_key(|complaint| complaint.span.start);
        complaints.dedup_by(|later, first| later.span == first.span && later.message == first.message);
        Self(complaints)
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Complaint> {
        self.0.iter()
    }

    /// Shows every complaint with the lines it is about, an empty line between two.
    pub fn render(&self, color: bool) -> String {
        self.0.iter().map(|complaint| complaint.render(color)).collect::<Vec<_>>().join("\n\n")
    }
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, complaint) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{complaint}")?;
        }
        Ok(())
    }
}

impl From<Complaint> for Complaints {
    fn from(complaint: Complaint) -> Self {
        Self(vec![complaint])
    }
}

impl IntoIterator for Complaints {
    type Item = Complaint;
    type IntoIter = std::vec::IntoIter<Complaint>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Complaints {
    type Item = &'a Complaint;
    type IntoIter = std::slice::Iter<'a, Complaint>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

struct Position {
    line: usize,
    column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
