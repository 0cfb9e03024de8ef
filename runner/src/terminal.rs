//! The one way to standard output and standard error. What is printed is made safe for a terminal here, and output that
//! cannot be written never ends the process.
//!
//! Standard error is for people who watch: what cannot be written there is lost. Standard output is the result of a
//! command: what cannot be written there is reported at the end, by [`finish`].

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::Value as Json;

/// Why standard output took no more, after which nothing more is written to it.
static UNWRITTEN: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line on standard error.
pub(crate) fn say(text: &str) {
    say_styled(&printable::escape(text));
}

/// Prints a line that the caller has coloured on standard error.
pub(crate) fn say_styled(text: &str) {
    _ = writeln!(anstream::AutoStream::auto(io::stderr()), "{}", printable::escape_styled(text));
}

/// Prints a question on standard error and leaves the cursor behind it.
pub(crate) fn ask(question: &str) {
    _ = write!(io::stderr(), "{}", printable::escape(question));
}

/// Prints a line of the result.
pub(crate) fn line(text: &str) {
    self::text(&format!("{text}\n"));
}

/// Prints text of the result.
pub(crate) fn text(text: &str) {
    print(&printable::escape(text));
}

/// Prints text of the result that the caller has coloured, as it is.
pub(crate) fn styled(text: &str) {
    print(&printable::escape_styled(text));
}

/// Prints the result as JSON.
pub(crate) fn json(value: &Json) {
    json_text(&format!("{value:#}\n"));
}

/// Prints the result, which is JSON.
pub(crate) fn json_text(text: &str) {
    print(&printable::escape_json(text));
}

/// Writes out what is left of the result, and returns why that cannot be done, or could not be done before.
///
/// Nobody misses what a closed pipe did not take: whoever closed it wanted no more.
pub(crate) fn finish() -> io::Result<()> {
    attempt(|| io::stdout().flush());
    match unwritten().take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn print(text: &str) {
    attempt(|| anstream::AutoStream::auto(io::stdout()).write_all(text.as_bytes()));
}

fn attempt(write: impl FnOnce() -> io::Result<()>) {
    let mut unwritten = unwritten();
    if unwritten.is_none() {
        *unwritten = write().err();
    }
}

fn unwritten() -> std::sync::MutexGuard<'static, Option<io::Error>> {
    UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}
