//! The door of every listener on loopback: whose connection it is, under which name it asks, and from which page.
//!
//! Programs of every user on this machine can connect to 127.0.0.1. So can every page in a browser, under any name whose
//! address its author sets to 127.0.0.1.

pub(crate) mod names;

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use loopback::Peer;

/// Longest that a refused connection is kept, so that its sender reads why.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes that a refused connection may still send.
const MAX_FAREWELL_BYTES: usize = 64 * 1024;

/// Checks the other end of an accepted connection. Refuses a connection of another user with the reason, and returns
/// nothing then.
pub(crate) async fn admit(stream: TcpStream) -> Option<(TcpStream, Peer)> {
    let own = rustix::process::getuid().as_raw();
    let addresses = stream.peer_addr().and_then(|peer| Ok((peer, stream.local_addr()?)));
    let Ok((address, local)) = addresses else { return None };
    let found = tokio::task::spawn_blocking(move || loopback::find(address, local)).await;
    match found.map_err(std::io::Error::other).and_then(|found| found) {
        Ok(Some(peer)) if peer.uid == own => Some((stream, peer)),
        Ok(Some(peer)) => {
            tracing::warn!(uid = peer.uid, "refused a connection of another user");
            let text = format!("this port is user {own}'s, and the connection is user {}'s", peer.uid);
            refuse(stream, "403 Forbidden", &text).await;
            None
        }
        // It was closed at once, and nobody waits for an answer.
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(%error, "refused a connection, since the system did not tell whose it is");
            let text = format!("could not learn whose connection this is: {error}");
            refuse(stream, "403 Forbidden", &text).await;
            None
        }
    }
}

/// Answers a connection that is not served, and ends it. The status is that of the status line.
pub(crate) async fn refuse(mut stream: TcpStream, status: &str, message: &str) {
    let body = serde_json::json!({ "message": message }).to_string();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\nconnection: \
         close\r\n\r\n{body}",
        body.len()
    );
    let farewell = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        // An unread request would turn the answer into a reset.
        let (mut buffer, mut read) = ([0; 4096], 0);
        while read < MAX_FAREWELL_BYTES {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => read += count,
            }
        }
        Ok::<_, std::io::Error>(())
    };
    // Whether it arrives is the sender's affair.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}
