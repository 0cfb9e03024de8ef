//! What requests cost that nobody signed, and connections on which nothing comes.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tests::Served;
use super::*;

/// What a body may weigh at most, and then some.
const HUGE: usize = 100_000_000;

async fn served(change: impl Fn(&mut Limits)) -> Served {
    let mut limits = Limits::default();
    change(&mut limits);
    Served::within(|_| Recorder::default(), limits).await
}

async fn connected(served: &Served) -> TcpStream {
    TcpStream::connect(served.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends a head, and gives what is answered until the connection ends or nothing comes for a while.
async fn answer(stream: &mut TcpStream, head: &str) -> String {
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(count @ 1..)) = timeout(Duration::from_millis(700), stream.read(&mut buffer)).await {
        all.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(all).unwrap()
}

async fn has_ended(stream: &mut TcpStream) -> bool {
    matches!(timeout(Duration::from_millis(100), stream.read(&mut [0; 1])).await, Ok(Ok(0) | Err(_)))
}

fn head(path: &str, service: &str, key: &str, length: usize) -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let authorization = if key.is_empty() {
        String::new()
    } else {
        format!(
            "authorization: AWS4-HMAC-SHA256 Credential={key}/{}/us-east-1/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=0\r\n",
            &now[..8]
        )
    };
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-amz-date: {now}\r\n{authorization}content-length: \
         {length}\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_is_refused_by_its_head() {
    let served = served(|_| ()).await;
    let cases = [
        // Nobody's key, whatever the service; and too much for the operation.
        ("/", "iam", "AKIANOBODY", 69_000_000, "403"),
        ("/2015-03-31/functions", "lambda", "AKIANOBODY", 69_000_000, "403"),
        ("/", "iam", "AKIATEST", 69_000_000, "413"),
        ("/endpoints/fraud/invocations", "sagemaker", "AKIATEST", 69_000_000, "413"),
        ("/2015-03-31/functions", "lambda", "AKIATEST", HUGE, "413"),
        // An API that is not there, one that nobody names, and the registry without a password.
        ("/execute-api/a1b2/score", "", "", HUGE, "404"),
        ("/v2/a/blobs/uploads/1", "", "", HUGE, "401"),
        ("/bucket", "s3", "AKIANOBODY", HUGE, "400"),
    ];
    for (path, service, key, length, status) in cases {
        let begun = Instant::now();
        let text = answer(&mut connected(&served).await, &head(path, service, key, length)).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {service} {key}: {text}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{path} {service} {key}");
    }
}

#[tokio::test]
async fn forms_that_nobody_signed_are_read_for_their_beginning_alone() {
    let served = served(|_| ()).await;
    let mut stream = connected(&served).await;
    let form = "Action=CreateRole&".to_owned() + &"x=1&".repeat(5_000_000);
    let begun = Instant::now();
    let sent = head("/", "", "", form.len()) + &form;
    let mut refused = String::new();
    let (mut read, mut write) = stream.split();
    // Both at once, as a browser does it.
    let (_, answer) = tokio::join!(write.write_all(sent.as_bytes()), async {
        let mut buffer = [0; 4096];
        let count = read.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    });
    refused.push_str(&answer);
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("MissingAuthenticationToken"), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_a_request_says_of_itself_is_kept_in_part() {
    let served = served(|_| ()).await;
    let path = format!("/bucket/{}", "k".repeat(50_000));
    answer(&mut connected(&served).await, &head(&path, "s3", "AKIANOBODY", 0)).await;
    let entries = served.local("GET", "requests", Value::Null).await;
    assert_eq!(entries[0]["resource"].as_str().unwrap().chars().count(), 1025);
    let path = format!("/bucket/{}", "k".repeat(70_000));
    let refused = answer(&mut connected(&served).await, &head(&path, "s3", "AKIANOBODY", 0)).await;
    assert!(refused.starts_with("HTTP/1.1 4"), "{refused}");
}

#[tokio::test]
async fn slow_heads_slow_bodies_and_idle_connections_end() {
    let served = served(|limits| {
        (limits.head, limits.body) = (Duration::from_millis(200), Duration::from_millis(300));
        limits.idle = Duration::from_millis(600);
    })
    .await;
    let mut idle = connected(&served).await;
    let mut slow = connected(&served).await;
    slow.write_all(b"POST / HT").await.unwrap();
    assert!(!has_ended(&mut slow).await);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(has_ended(&mut slow).await);
    assert!(!has_ended(&mut idle).await, "an idle connection has more time than a head");
    let text = answer(&mut connected(&served).await, &(head("/", "iam", "AKIATEST", 9) + "Act")).await;
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(has_ended(&mut idle).await);
}

#[tokio::test]
async fn a_connection_too_many_takes_the_place_of_the_one_that_was_silent_longest() {
    let served = served(|limits| limits.connections = 3).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = connected(&served).await;
        assert!(
            answer(&mut stream, "GET /_local/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.contains("\"pid\"")
        );
        open.push(stream);
    }
    let mut next = connected(&served).await;
    assert!(answer(&mut next, "GET /_local/health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.contains("\"pid\""));
    assert!(has_ended(&mut open[0]).await);
    assert!(!has_ended(&mut open[1]).await && !has_ended(&mut open[2]).await);
    // Every connection is busy, so a new one is refused.
    let mut busy = Vec::new();
    for _ in 0..3 {
        let mut stream = connected(&served).await;
        stream.write_all((head("/", "iam", "AKIATEST", 9) + "Act").as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        busy.push(stream);
    }
    let refused = answer(&mut connected(&served).await, "").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
}
