//! A model server for tests: this test binary, called again. The model's variables and the request say what it does.

#![expect(clippy::disallowed_methods, reason = "it is a program of its own, told by its environment what to do")]

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// The command that makes this binary act as a server. `serve`, which is appended, is one more filter to it.
pub(super) fn command() -> Vec<OsString> {
    let arguments = ["--exact", "service::sagemaker::tests::fake::acts_as_server", "--nocapture"];
    let program = env::current_exe().unwrap().into_os_string();
    [program].into_iter().chain(arguments.map(OsString::from)).collect()
}

/// Does nothing unless the variables of a server are set.
#[test]
fn acts_as_server() {
    let (Ok(port), Ok(_)) = (env::var("SAGEMAKER_BIND_TO_PORT"), env::var("MODEL_DIR")) else { return };
    match env::var("START").as_deref() {
        Ok("exit") => std::process::exit(3),
        Ok("late") => std::thread::sleep(Duration::from_millis(300)),
        _ => {}
    }
    let listener = TcpListener::bind((env::var("BIND_ADDRESS").unwrap(), port.parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        std::thread::spawn(move || serve(stream.unwrap()));
    }
}

fn serve(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let is_ping = line.starts_with("GET /ping ");
        let (mut length, mut accept) = (0, String::new());
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line)?;
            let (name, value) = line.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "accept" => value.trim().clone_into(&mut accept),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (status, body) = if is_ping { (200, String::new()) } else { answer(&String::from_utf8(body).unwrap()) };
        let kind = if accept.is_empty() { "text/csv" } else { &accept };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        reader.get_mut().write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    }
}

fn answer(body: &str) -> (u16, String) {
    match body.split_once(' ').unwrap_or((body, "")) {
        ("exit", _) => std::process::exit(4),
        ("status", status) => (status.parse().unwrap(), "as you wish".into()),
        ("pid", _) => (200, std::process::id().to_string()),
        ("env", _) => {
            let mut names: Vec<_> = env::vars().collect();
            names.sort();
            let mut all = String::new();
            for (name, value) in names {
                writeln!(all, "{name}={value}").unwrap();
            }
            (200, all)
        }
        ("sleep", millis) => {
            std::thread::sleep(Duration::from_millis(millis.parse().unwrap()));
            (200, "slept".into())
        }
        _ => (200, format!("{} says {body}", env::var("GENERATION").unwrap_or_default())),
    }
}
