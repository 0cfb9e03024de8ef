//! A program of the user's own that writes the model.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command as Process;

use super::served::{Served, served};
use crate::{Ctx, StageError};

/// Lines of its output that an error repeats.
const LAST_LINES: usize = 20;
/// Bytes of a line that are shown.
const LINE_BYTES: usize = 500;

/// Runs the command in the folder of the pipeline file, shows what it says, and reads the model that it wrote.
pub(super) async fn run(
    ctx: &Ctx<'_>,
    wanted: &spec::Command,
    dir: &Path,
    release: (u32, u32),
) -> Result<Served, StageError> {
    let words = wanted.command.join(" ");
    let failed = |why: String| StageError::here(format!("`{words}` made no model"), why);
    let Some((program, arguments)) = wanted.command.split_first() else {
        return Err(failed("it names no program".to_owned()));
    };
    let path = dir.join(&wanted.model);
    let before = written(&path);
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let mut process = Process::new(program);
    process.args(arguments).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = process.kill_on_drop(true).spawn();
    let mut child = child.map_err(|error| failed(format!("`{program}` cannot be started: {error}")))?;
    let last = std::sync::Mutex::new(VecDeque::new());
    let (stdout, stderr) = (child_stream(child.stdout.take()), child_stream(child.stderr.take()));
    let (status, (), ()) = futures::join!(child.wait(), show(ctx, stdout, &last), show(ctx, stderr, &last));
    let status = status.map_err(|error| failed(error.to_string()))?;
    let last: Vec<String> = last.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into();
    if !status.success() {
        return Err(failed(format!("it ended with {status}; its last lines:\n  {}", last.join("\n  "))));
    }
    let after = written(&path);
    if after.is_none() || after == before {
        return Err(failed(format!("it ended well and did not write `{}`", wanted.model.display())));
    }
    let file = fs::read(&path).map_err(|error| failed(format!("cannot read `{}`: {error}", path.display())))?;
    served(&file, &wanted.features, release)
        .inspect(|served| served.rewritten.iter().for_each(|why| (ctx.say)(format!("the model is rewritten {why}"))))
        .map_err(|refusal| failed(format!("`{}` cannot be served: {}", wanted.model.display(), refusal.why)))
}

/// What tells that a file was written anew.
fn written(path: &Path) -> Option<(Option<SystemTime>, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok(), metadata.len()))
}

fn child_stream<S>(stream: Option<S>) -> Box<dyn AsyncRead + Unpin + Send>
where
    S: AsyncRead + Unpin + Send + 'static,
{
    stream.map_or_else(|| Box::new(tokio::io::empty()) as Box<dyn AsyncRead + Unpin + Send>, |stream| Box::new(stream))
}

/// Says every line, and keeps the last ones. Output that is no text is shown as well as it can be.
async fn show(ctx: &Ctx<'_>, stream: Box<dyn AsyncRead + Unpin + Send>, last: &std::sync::Mutex<VecDeque<String>>) {
    let mut lines = BufReader::new(stream);
    let mut line = vec![];
    while let Ok(1..) = lines.read_until(b'\n', &mut line).await {
        line.truncate(LINE_BYTES);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        (ctx.say)(text.clone());
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text);
    }
}
