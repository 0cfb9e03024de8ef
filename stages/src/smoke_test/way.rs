//! How the smoke test shows who it is.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use spec::{Auth, Token};

use crate::{CheckError, Ctx, StageError};

/// For a program to print a token: it may ask an issuer, and a person for a second factor.
const TOKEN_LIMIT: Duration = Duration::from_mins(2);
/// Lines of a program's complaints that an error repeats.
const LAST_LINES: usize = 5;

/// How requests are sent.
pub(super) enum Way {
    /// Through the gateway, as anybody.
    Open,
    /// Through the gateway, signed with the credentials that everything else is done with.
    Signed,
    /// Through the gateway, with this token.
    Token(String),
    /// To the function itself: there is no token for the gateway.
    Function,
}

impl Way {
    /// The way that the API and the pipeline file allow.
    pub(super) async fn of(auth: &Auth, token: Option<&Token>, ctx: &Ctx<'_>) -> Result<Self, StageError> {
        Ok(match (auth, token) {
            (Auth::None, _) => Self::Open,
            (Auth::Iam, _) => Self::Signed,
            (Auth::Jwt(_), None) => Self::Function,
            (Auth::Jwt(_), Some(Token::Env(name))) => {
                let value = (ctx.environment)(name).unwrap_or_default();
                Self::Token(checked(&value, &format!("the environment variable `{name}`"))?)
            }
            (Auth::Jwt(_), Some(Token::Command(command))) => Self::Token(printed(command, ctx.folder).await?),
        })
    }
}

/// What a program prints, run in the folder of the pipeline file.
async fn printed(command: &[String], folder: &Path) -> Result<String, StageError> {
    let words = command.join(" ");
    let failed = |why: String| StageError::here(format!("`{words}` printed no token"), why);
    let (program, arguments) = command.split_first().ok_or_else(|| failed("it names no program".to_owned()))?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut process = tokio::process::Command::new(program);
    process.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(TOKEN_LIMIT, process.output()).await;
    let ended = ended.map_err(|_| failed(format!("it did not end within {} s", TOKEN_LIMIT.as_secs())))?;
    let output = ended.map_err(|error| failed(format!("`{program}` cannot be run: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        let last = if last.is_empty() { "it said nothing".to_owned() } else { format!("its last lines:\n  {last}") };
        return Err(failed(format!("it ended with {}; {last}", output.status)));
    }
    checked(&String::from_utf8_lossy(&output.stdout), &format!("what `{words}` prints"))
}

/// A token as it may stand in a header. It is a secret: no message repeats it.
fn checked(text: &str, source: &str) -> Result<String, StageError> {
    let text = text.trim();
    let bare = text.strip_prefix("Bearer ").unwrap_or(text);
    if !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(bare.to_owned());
    }
    let why = if bare.is_empty() { "is empty" } else { "is no token" };
    Err(CheckError {
        summary: format!("{source} {why}"),
        hint: Some("it must hold one token and nothing else".to_owned()),
    }
    .into())
}
