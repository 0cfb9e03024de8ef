//! A program of the user's own that writes the model.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures::future::join;
use supervisor::Supervised;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::served::{Served, served};
use crate::inputs::Dialect;
use crate::{Ctx, StageError};

/// Lines of its output that an error repeats.
const LAST_LINES: usize = 20;
/// Bytes of a line that are shown.
const LINE_BYTES: usize = 500;
/// Bytes without an end of line that are taken for a line.
const CHUNK_BYTES: u64 = 65_536;
/// For output that is still under way when the command has ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs the command in the folder of the pipeline file, shows what it says, and reads the model that it wrote.
pub(super) async fn run(
    ctx: &Ctx<'_>,
    wanted: &spec::Command,
    dir: &Path,
    release: Dialect,
) -> Result<Served, StageError> {
    let words = wanted.command.join(" ");
    let failed = |why: String| StageError::here(format!("`{words}` made no model"), why);
    let Some((program, arguments)) = wanted.command.split_first() else {
        return Err(failed("it names no program".to_owned()));
    };
    let path = dir.join(&wanted.model);
    let before = written(&path);
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let arguments = arguments.iter().map(OsString::from);
    let mut process = supervisor::command(ctx.supervisor, program.as_ref(), arguments);
    // Python else keeps what it prints to a pipe to itself until it ends.
    process.env("PYTHONUNBUFFERED", "1");
    process.current_dir(dir).stdout(Stdio::piped()).stderr(Stdio::piped());
    let unstarted = |error: io::Error| failed(format!("`{program}` cannot be started: {error}"));
    let mut child = Supervised::spawn(process).map_err(unstarted)?;
    let last = std::sync::Mutex::new(VecDeque::new());
    let (stdout, stderr) = (child_stream(child.take_stdout()), child_stream(child.take_stderr()));
    let mut shown = std::pin::pin!(join(show(ctx, stdout, &last), show(ctx, stderr, &last)));
    let status = tokio::select! {
        status = child.wait() => {
            // A daemon that the command leaves behind may keep its output open for ever.
            _ = tokio::time::timeout(LAST_WORDS, &mut shown).await;
            status
        }
        _ = &mut shown => child.wait().await,
    };
    let status = status.map_err(|error| match error.raw_os_error() {
        Some(_) => unstarted(error),
        None => failed(error.to_string()),
    })?;
    let last = std::mem::take(&mut *last.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let last: Vec<String> = last.into();
    if !status.success() {
        let last = if last.is_empty() {
            "it said nothing".to_owned()
        } else {
            format!("its last lines:\n  {}", last.join("\n  "))
        };
        return Err(failed(format!("it ended with {status}; {last}")));
    }
    let after = written(&path);
    if after.is_none() || after == before {
        return Err(failed(format!("it ended well and did not write `{}`", wanted.model.display())));
    }
    let file = fs::read(&path).map_err(|error| failed(format!("cannot read `{}`: {error}", path.display())))?;
    served(&file, &wanted.features, release)
        .inspect(|served| served.remarks().into_iter().for_each(|remark| (ctx.say)(remark)))
        .map_err(|refusal| failed(format!("`{}` cannot be served: {}", wanted.model.display(), refusal.why)))
}

/// What tells that a file was written anew: when it changed last, which a copy that keeps its times changes too.
fn written(path: &Path) -> Option<(u64, i64, i64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

fn child_stream<S>(stream: Option<S>) -> Box<dyn AsyncRead + Unpin + Send>
where
    S: AsyncRead + Unpin + Send + 'static,
{
    stream.map_or_else(|| Box::new(tokio::io::empty()) as Box<dyn AsyncRead + Unpin + Send>, |stream| Box::new(stream))
}

/// Says every line, and keeps the last ones. Output that is no text is shown as well as it can be, and of a line that
/// was written over, as progress bars do, what it said last.
async fn show(ctx: &Ctx<'_>, stream: Box<dyn AsyncRead + Unpin + Send>, last: &std::sync::Mutex<VecDeque<String>>) {
    let mut lines = BufReader::new(stream);
    let mut line = vec![];
    while let Ok(1..) = (&mut lines).take(CHUNK_BYTES).read_until(b'\n', &mut line).await {
        let words = line.trim_ascii_end();
        let words = words.rsplit(|byte| *byte == b'\r').next().unwrap_or_default();
        let text = String::from_utf8_lossy(&words[..words.len().min(LINE_BYTES)]).into_owned();
        line.clear();
        (ctx.say)(format!("| {text}"));
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text);
    }
}
