//! What the container contract and AWS's own serving code promise, asked over real connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model_server::{Config, Server, TOKEN_HEADER};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Two features; `x0 < 0.5` goes left, as does a missing `x0`. The leaves give 6.976825716265012e-06 and 0.5.
const MODEL: &str = r#"{"learner":{"attributes":{},"feature_names":[],"feature_types":[],
"gradient_booster":{"model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},"iteration_indptr":[0,1],
"tree_info":[0],"trees":[{"base_weights":[0,-11.87291,0],"categories":[],"categories_nodes":[],"categories_segments":[],
"categories_sizes":[],"default_left":[1,0,0],"id":0,"left_children":[1,-1,-1],"loss_changes":[1,0,0],
"parents":[2147483647,0,0],"right_children":[2,-1,-1],"split_conditions":[0.5,-11.87291,0],"split_indices":[0,0,0],
"split_type":[0,0,0],"sum_hessian":[1,1,1],
"tree_param":{"num_deleted":"0","num_feature":"2","num_nodes":"3","size_leaf_vector":"1"}}]},"name":"gbtree"},
"learner_model_param":{"base_score":"5E-1","boost_from_average":"1","num_class":"0","num_feature":"2","num_target":"1"},
"objective":{"name":"binary:logistic","reg_loss_param":{"scale_pos_weight":"1"}}},"version":[1,7,4]}"#;

struct Running {
    address: String,
    _dir: tempfile::TempDir,
}

async fn start() -> Running {
    start_with(None).await
}

async fn start_with(token: Option<&str>) -> Running {
    let dir = model_dir();
    let token = token.map(str::to_owned);
    let config = Config { address: ([127, 0, 0, 1], 0).into(), model_dir: dir.path().to_owned(), token };
    let server = Server::bind(&config).await.unwrap();
    let address = server.address().to_string();
    tokio::spawn(server.serve(std::future::pending()));
    Running { address, _dir: dir }
}

fn model_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("xgboost-model"), MODEL).unwrap();
    std::fs::write(dir.path().join("._xgboost-model"), "what macOS leaves behind").unwrap();
    dir
}

impl Running {
    /// Sends one request on a connection of its own; gives status, content type and body.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(&request(method, path, headers, body)).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        (status, content_type.to_owned(), body.to_owned())
    }

    async fn csv(&self, body: &str) -> (u16, String) {
        let (status, _, body) =
            self.ask("POST", "/invocations", &[("content-type", "text/csv")], body.as_bytes()).await;
        (status, body)
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.extend([*name, ": ", *value, "\r\n"]);
    }
    let mut request = (request + "\r\n").into_bytes();
    request.extend_from_slice(body);
    request
}

const LOW: &str = "6.976825716265012e-06";

#[tokio::test]
async fn a_server_with_a_token_answers_nobody_without_it() {
    let server = start_with(Some("0123456789abcdef")).await;
    for (method, path) in [("GET", "/ping"), ("POST", "/invocations"), ("GET", "/other")] {
        for token in ["", "0123456789abcdeF", "0123456789abcde", "0123456789abcdef0"] {
            let (status, _, body) = server.ask(method, path, &[(TOKEN_HEADER, token)], b"0.1,2").await;
            assert_eq!((status, &*body), (403, "this model server answers the local cloud alone"), "{path} {token}");
        }
        assert_eq!(server.ask(method, path, &[], b"0.1,2").await.0, 403, "{path}");
    }
    let headers = [(TOKEN_HEADER, "0123456789abcdef"), ("content-type", "text/csv")];
    assert_eq!(server.ask("POST", "/invocations", &headers, b"0.1,2").await.2, format!("{LOW}\n"));
}

#[tokio::test]
async fn ping_answers_200_with_nothing() {
    let server = start().await;
    assert_eq!(server.ask("GET", "/ping", &[], b"").await, (200, String::new(), String::new()));
}

#[tokio::test]
async fn csv_is_scored_one_line_a_row() {
    let server = start().await;
    for (body, scores) in [
        ("0.1,2", vec![LOW]),
        ("0.1,2\n0.5,2\n0.1,2\n", vec![LOW, "0.5", LOW]),
        ("0.5;2\r\n0.1;2\r\n", vec!["0.5", LOW]),
        ("\"0.5\",\"2\"", vec!["0.5"]),
        // An empty cell is missing, and a missing value goes left.
        (",2", vec![LOW]),
        ("0.5,", vec!["0.5"]),
        // So are columns that are not there.
        ("0.5", vec!["0.5"]),
    ] {
        assert_eq!(server.csv(body).await, (200, scores.join("\n") + "\n"), "{body:?}");
    }
}

#[tokio::test]
async fn the_answer_comes_in_the_accepted_type() {
    let server = start().await;
    let lines = (200, "text/csv; charset=utf-8".to_owned(), format!("{LOW}\n0.5\n"));
    let json = format!(r#"{{"predictions": [{{"score": {LOW}}}, {{"score": 0.5}}]}}"#);
    for (accept, expected) in [
        ("", lines.clone()),
        ("*/*", lines.clone()),
        ("Text/CSV; charset=utf-8", lines),
        ("application/json", (200, "application/json".to_owned(), json)),
    ] {
        let headers = [("content-type", "text/csv; label_size=1"), ("accept", accept)];
        assert_eq!(server.ask("POST", "/invocations", &headers, b"0,0\n1,0").await, expected, "{accept:?}");
    }
    for accept in ["application/jsonlines", "application/x-recordio-protobuf", "image/png"] {
        let headers = [("content-type", "text/csv"), ("accept", accept)];
        assert_eq!(server.ask("POST", "/invocations", &headers, b"0,0").await.0, 406, "{accept}");
    }
}

const EXPLAINED: (&str, &str) = ("X-Amzn-SageMaker-Custom-Attributes", "contributions");

/// All rows have covers of 1, as have both children of the split: the tree gives -11.87291 on average.
#[tokio::test]
async fn contributions_follow_the_score_if_they_are_asked_for() {
    let server = start().await;
    let csv = format!("{LOW},0.0,0.0,-11.87291\n0.5,11.87291,0.0,-11.87291\n");
    let json = format!(
        "{{\"predictions\": [{{\"score\": {LOW}, \"contributions\": [0.0, 0.0, -11.87291]}}, \
         {{\"score\": 0.5, \"contributions\": [11.87291, 0.0, -11.87291]}}]}}"
    );
    for (accept, content_type, expected) in
        [("text/csv", "text/csv; charset=utf-8", csv), ("application/json", "application/json", json)]
    {
        let headers = [("content-type", "text/csv"), ("accept", accept), EXPLAINED];
        let answer = server.ask("POST", "/invocations", &headers, b"0,0\n1,0").await;
        assert_eq!(answer, (200, content_type.to_owned(), expected));
    }
}

#[tokio::test]
async fn another_custom_attribute_changes_nothing() {
    let server = start().await;
    let headers = [("content-type", "text/csv"), ("x-amzn-sagemaker-custom-attributes", "trace-id=7")];
    assert_eq!(server.ask("POST", "/invocations", &headers, b"0,0").await.2, format!("{LOW}\n"));
}

#[tokio::test]
async fn contributions_for_more_rows_than_an_answer_may_have_are_413() {
    let server = start().await;
    let body = "0\n".repeat(500_000);
    let (status, _, why) =
        server.ask("POST", "/invocations", &[("content-type", "text/csv"), EXPLAINED], body.as_bytes()).await;
    let expected = "contributions are given for at most 349525 rows of this model at once, the body has 500000";
    assert_eq!((status, why.as_str()), (413, expected));
    assert_eq!(server.csv(&body).await.0, 200);
}

#[tokio::test]
async fn a_body_that_cannot_be_parsed_is_415() {
    let server = start().await;
    for body in ["V1,V2\n1,2", "1,2\n3", "<html>", "1,inf"] {
        assert_eq!(server.csv(body).await.0, 415, "{body:?}");
    }
    for content_type in ["application/json", "application/x-recordio-protobuf", "text/plain"] {
        let answer = server.ask("POST", "/invocations", &[("content-type", content_type)], b"1,2").await;
        assert_eq!(answer.0, 415, "{content_type}");
    }
}

#[tokio::test]
async fn too_many_columns_are_400() {
    let (status, why) = start().await.csv("1,2,3").await;
    assert_eq!((status, why.as_str()), (400, "the body has 3 columns, but the model has 2 features"));
}

#[tokio::test]
async fn an_empty_body_is_204_whatever_its_type() {
    let server = start().await;
    for content_type in ["text/csv", "application/json"] {
        let (status, _, body) = server.ask("POST", "/invocations", &[("content-type", content_type)], b"").await;
        assert_eq!((status, body.as_str()), (204, ""));
    }
}

#[tokio::test]
async fn six_mebibytes_are_scored_and_one_byte_more_is_413() {
    let server = start().await;
    let mut body = "0.5,00\n".repeat((6 << 20) / 7);
    body += &" ".repeat((6 << 20) - body.len());
    let (status, scores) = server.csv(&body).await;
    assert_eq!((status, scores.lines().count()), (200, (6 << 20) / 7));
    assert_eq!(server.csv(&(body + " ")).await.0, 413);
}

#[tokio::test]
async fn libsvm_is_scored_and_is_what_no_content_type_means() {
    let server = start().await;
    let scores = (200, "text/csv; charset=utf-8".to_owned(), format!("0.5\n{LOW}\n"));
    assert_eq!(server.ask("POST", "/invocations", &[("content-type", "text/libsvm")], b"1:0.5\n2:1").await, scores);
    assert_eq!(server.ask("POST", "/invocations", &[], b"0 1:0.5 2:3\n0 1:0.1\n").await, scores);
    assert_eq!(server.ask("POST", "/invocations", &[], b"1:0.5 3:1").await.0, 400);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let server = start().await;
    assert_eq!(server.ask("GET", "/", &[], b"").await.0, 404);
    assert_eq!(server.ask("POST", "/ping", &[], b"").await.0, 405);
    assert_eq!(server.ask("GET", "/invocations", &[], b"").await.0, 405);
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = start().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = "POST /invocations HTTP/1.1\r\nhost: a\r\ncontent-type: text/csv\r\ncontent-length: 5\r\n\r\n0.5,2";
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n0.5\n") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "the connection closed");
        }
    }
}

/// Starts the binary as the platform does, and waits for the line that tells its address.
fn container(model_dir: &std::path::Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_model-server"))
        .arg("serve")
        .envs([("BIND_ADDRESS", "127.0.0.1"), ("PORT", "0")])
        .env("MODEL_DIR", model_dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    for line in lines {
        text = text + &line.unwrap() + "\n";
        if let Some((_, address)) = text.trim_end().split_once("address=") {
            return (child, address.to_owned());
        }
    }
    panic!("the server said {text:?} and ended with {:?}", child.wait());
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test looks from outside, and has to look again")]
async fn sigterm_lets_the_request_in_flight_finish_and_exits_0() {
    let dir = model_dir();
    let (mut child, address) = container(dir.path());
    let whole = request("POST", "/invocations", &[("content-type", "text/csv")], b"0.5,2");
    let (sent, held) = whole.split_at(whole.len() - 3);
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let _idle = TcpStream::connect(&address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let limit = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(&address).await.is_ok() {
        assert!(Instant::now() < limit, "connections are still accepted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(child.try_wait().unwrap(), None, "the request in flight was dropped");

    stream.write_all(held).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n0.5\n"), "{answer}");
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap().unwrap().code(), Some(0));
}

#[test]
fn a_start_that_cannot_succeed_ends_at_once_with_the_cause() {
    let empty = tempfile::tempdir().unwrap();
    let start = |arguments: &[&str], port: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_model-server"))
            .args(arguments)
            .env("MODEL_DIR", empty.path())
            .env("SAGEMAKER_BIND_TO_PORT", port)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, log) = start(&["serve"], "0");
    assert!(code == Some(1) && log.contains("holds no model file"), "{code:?} {log}");
    let (code, log) = start(&["train"], "0");
    assert!(code == Some(64) && log.contains("only `serve` is known"), "{code:?} {log}");
    let (code, log) = start(&["serve"], "http");
    assert!(code == Some(64) && log.contains("`SAGEMAKER_BIND_TO_PORT` cannot be used: `http`"), "{code:?} {log}");
}
