//! Where rows come from.

use std::path::{Path, PathBuf};

use super::words::{leaf, quoted, subject};
use super::{Checker, aws};
use crate::forms::TextOr;
use crate::limits;
use crate::raw::{RawData, RawGenerate};
use crate::types::Data;

const SOURCES: [&str; 4] = ["generate", "path", "url", "s3"];

/// Reads `data` or `test-data`, which stands at `path`.
pub(super) fn data(checker: &mut Checker<'_>, path: &str, raw: TextOr<RawData>) -> Option<Data> {
    let raw = match raw {
        TextOr::Text(text) => return by_text(checker, path, &text),
        TextOr::Block(raw) => raw,
    };
    let given = [raw.generate.is_some(), raw.path.is_some(), raw.url.is_some(), raw.s3.is_some()];
    let at = |key: &str| format!("{path}.{key}");
    match (raw.generate, raw.path, raw.url, raw.s3) {
        (Some(generate), None, None, None) => {
            without_sha256(checker, path, raw.sha256.as_deref())?;
            Some(generated(checker, &at("generate"), &generate.0))
        }
        (None, Some(text), None, None) => {
            without_sha256(checker, path, raw.sha256.as_deref())?;
            rows(checker, &at("path"), &text)
        }
        (None, None, Some(text), None) => {
            let url = url(checker, &at("url"), &text);
            let sha256 = if let Some(text) = raw.sha256 {
                sha256(checker, &at("sha256"), &text)
            } else {
                lacks_sha256(checker, &at("url"));
                None
            };
            Some(Data::Url { url: url?, sha256: sha256? })
        }
        (None, None, None, Some(text)) => {
            let object = object(checker, &at("s3"), &text);
            let sha256 = match raw.sha256 {
                Some(text) => Some(sha256(checker, &at("sha256"), &text)?),
                None => None,
            };
            let (bucket, key) = object?;
            Some(Data::S3 { bucket, key, sha256 })
        }
        (None, None, None, None) => {
            let complaint = checker.places.complain(path, format!("{} names no source", subject(path)));
            checker.say(complaint.help("write a path, or `generate: {}`"));
            None
        }
        _ => {
            let message = format!("{} names two sources", subject(path));
            checker.two_of(path, &SOURCES, &given, &message, ["one source", "another source"]);
            None
        }
    }
}

fn by_text(checker: &mut Checker<'_>, path: &str, text: &str) -> Option<Data> {
    match text.split_once("://").map(|(scheme, _)| scheme) {
        Some("s3") => {
            let (bucket, key) = object(checker, path, text)?;
            Some(Data::S3 { bucket, key, sha256: None })
        }
        Some("http" | "https") => {
            url(checker, path, text)?;
            lacks_sha256(checker, path);
            None
        }
        Some(_) => {
            let message = format!("{} is neither a path nor a URL that can be read", quoted(text));
            let complaint = checker.places.complain(path, message);
            checker.say(complaint.help("write a path, an `s3://` URI, or `{ url: https://…, sha256: … }`"));
            None
        }
        None => rows(checker, path, text),
    }
}

fn generated(checker: &mut Checker<'_>, path: &str, raw: &RawGenerate) -> Data {
    let rows = raw.rows.unwrap_or(100_000);
    checker.within(&format!("{path}.rows"), &rows, &limits::ROWS);
    Data::Generate { rows, seed: raw.seed.unwrap_or(42) }
}

/// A path of this machine. What it leads to is for the stage to find out.
pub(super) fn local_path(checker: &mut Checker<'_>, path: &str, text: &str) -> Option<PathBuf> {
    if text.trim().is_empty() {
        checker.say(checker.places.complain(path, format!("{} must not be empty", subject(path))));
        return None;
    }
    if text.contains("://") {
        let message = format!("{} must be a file of this machine, not {}", subject(path), quoted(text));
        checker.say(checker.places.complain(path, message).help("download it first, and name the copy"));
        return None;
    }
    Some(PathBuf::from(text))
}

fn rows(checker: &mut Checker<'_>, path: &str, text: &str) -> Option<Data> {
    if let Some((scheme, _)) = text.split_once("://") {
        let message = format!("{} must be a file of this machine, not {}", subject(path), quoted(text));
        let complaint = checker.places.complain(path, message);
        checker.say(match scheme {
            "s3" => complaint.help("write `s3:` in place of `path:`"),
            "http" | "https" => complaint.help("write `url:` in place of `path:`, and `sha256:` beside it"),
            _ => complaint.help("download it first, and name the copy"),
        });
        return None;
    }
    let file = local_path(checker, path, text)?;
    if is_table(&file) {
        return Some(Data::Path(file));
    }
    let message = format!("{} must end in `.csv`, `.csv.gz` or `.parquet`, unlike {}", subject(path), quoted(text));
    let complaint = checker.places.complain(path, message);
    checker.say(match leaf(path) {
        key @ ("data" | "test-data") if text == "generate" => {
            complaint.help(format!("write `{key}: {{ generate: {{}} }}`"))
        }
        _ => complaint,
    });
    None
}

fn is_table(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let has = |ending: &&str| name.strip_suffix(*ending).is_some_and(|stem| !stem.is_empty());
    [".csv", ".csv.gz", ".parquet"].iter().any(has)
}

/// Checks a URL. A name and a password in it would stand in plans and logs.
fn url(checker: &mut Checker<'_>, path: &str, text: &str) -> Option<String> {
    let mut refuse = |message: String, help: &str| {
        checker.say(checker.places.complain(path, message).help(help));
        None
    };
    let example = "for example `https://example.com/rows.csv.gz`";
    if text.split_once("://").is_some_and(|(_, rest)| authority(rest).contains('@')) {
        let help = "they would stand in plans and logs; download it first, and name the copy";
        return refuse(format!("{} must not hold a name or a password", subject(path)), help);
    }
    let Some(web) = Web::parse(text) else {
        return refuse(format!("{} is no URL of a file on the web", quoted(text)), example);
    };
    if !web.is_safe() {
        let help = "write `https://`; `http://` is only for this machine, such as `http://127.0.0.1:8000/rows.csv`";
        return refuse(format!("{} must begin with `https://`", subject(path)), help);
    }
    Some(text.to_owned())
}

/// The parts of an `https://` or `http://` URL.
pub(super) struct Web<'a> {
    tls: bool,
    host: &'a str,
    pub(super) has_user: bool,
    /// Path, query and fragment.
    pub(super) rest: &'a str,
}

impl<'a> Web<'a> {
    /// None when it is no such URL.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        let authority = authority(rest);
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
        let host = host(place).filter(|_| !text.contains(odd))?;
        Some(Self { tls: scheme == "https", host, has_user: user.is_some(), rest: &rest[authority.len()..] })
    }

    /// Whether nobody on the way can read or change what is sent: over TLS, or on this machine.
    pub(super) fn is_safe(&self) -> bool {
        self.tls || matches!(self.host, "127.0.0.1" | "localhost" | "[::1]")
    }
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The host in `host:port`; none when either is wrong.
fn host(authority: &str) -> Option<&str> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(end);
    let sound = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (sound && !host.is_empty()).then_some(host)
}

/// Splits `s3://bucket/key`.
fn object(checker: &mut Checker<'_>, path: &str, text: &str) -> Option<(String, String)> {
    let mut refuse = |message: String| {
        checker.say(checker.places.complain(path, message).help("an S3 URI reads like `s3://bucket/folder/rows.csv`"));
        None
    };
    let Some((bucket, key)) = text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) else {
        return refuse(format!("{} is no S3 URI", quoted(text)));
    };
    if let Err(why) = aws::check_bucket(bucket) {
        return refuse(format!("a bucket's name {why}"));
    }
    if let Err(why) = aws::check_key(key) {
        return refuse(format!("an object's key {why}"));
    }
    Some((bucket.to_owned(), key.to_owned()))
}

/// Says what is missing; such a file may change at any time, and the fingerprint of a model names its data.
fn lacks_sha256(checker: &mut Checker<'_>, path: &str) {
    let complaint = checker.places.complain(path, "a URL needs a `sha256`, since what it leads to may change");
    let complaint = complaint.help("`curl -L URL | sha256sum` prints it");
    checker.say(complaint.help("write `{ url: https://…, sha256: … }`"));
}

fn sha256(checker: &mut Checker<'_>, path: &str, text: &str) -> Option<String> {
    if text.len() == limits::SHA256_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    let count = text.chars().count();
    let found = match text.chars().find(|c| !c.is_ascii_hexdigit()) {
        Some(wrong) => format!("and `{wrong}` is none"),
        None => format!("not {count}"),
    };
    let message = format!("`sha256` must be {} hexadecimal digits, {found}", limits::SHA256_DIGITS);
    checker.say(checker.places.complain(path, message).help("`sha256sum FILE` prints it for a copy of the file"));
    None
}

/// A file of this machine is hashed as it is, and generated rows are known by their seed.
fn without_sha256(checker: &mut Checker<'_>, path: &str, given: Option<&str>) -> Option<()> {
    if given.is_none() {
        return Some(());
    }
    let complaint = checker.places.complain_key(&format!("{path}.sha256"), "`sha256` goes with `url` or `s3`");
    checker.say(complaint.help("leave it out: what is on this machine is hashed as it is"));
    None
}
