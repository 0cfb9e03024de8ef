//! Bodies: how much of one is read, in what time, and how much of all of them at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::call::Refusal;
use crate::server::target::Service;

const MIB: usize = 1024 * 1024;

/// What the body of a request to a control plane may weigh, unless the operation is known to take more.
const MAX_BODY: usize = 2 * MIB;
/// A 50 MB function archive in base64, and its envelope.
pub(super) const MAX_ARCHIVE: usize = 70 * MIB;
/// 6 MiB, and so much more that the service itself can say what is too much.
const MAX_PAYLOAD: usize = 7 * MIB;
/// 1 MiB of log lines, each of whose characters may be six in JSON.
const MAX_LINES: usize = 8 * MIB;
/// 20 MiB of a layer in base64. Source: botocore, `LayerPartBlob`.
const MAX_LAYER_PART: usize = 32 * MIB;
/// What a deployed API takes, and a byte more, so that it can refuse. Source: API Gateway quotas.
pub(super) const MAX_PUBLIC: usize = 10 * MIB + 1;
/// What is read of a request that nobody signed, for the name of its operation.
const MAX_UNSIGNED: usize = 64 * 1024;

/// Slowest that a body may come: 64 KiB a second.
const MIN_RATE: usize = 64 * 1024;
/// KiB of all bodies that are held at once.
const BUDGET_KIB: u32 = 512 * 1024;

/// What the body of a request may weigh.
pub(super) fn most(service: Service, parts: &Parts) -> usize {
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit_once('.').map_or("", |(_, name)| name);
    let path = parts.uri.path().trim_end_matches('/');
    match (service, operation) {
        (Service::Lambda, _) if path.ends_with("/invocations") => MAX_PAYLOAD,
        (Service::Lambda, _) if path.ends_with("/functions") || path.ends_with("/code") => MAX_ARCHIVE,
        (Service::Runtime, _) => MAX_PAYLOAD,
        (Service::Logs, "PutLogEvents") => MAX_LINES,
        (Service::Ecr, "UploadLayerPart") => MAX_LAYER_PART,
        (Service::Ecr, "PutImage") => 2 * MAX_BODY,
        _ => MAX_BODY,
    }
}

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is larger than this.
    TooLarge(usize),
    TooSlow,
    /// The connection ended.
    Broken,
}

impl Unread {
    /// What is answered; nothing when nobody is there.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::TooLarge(most) => {
                let text = format!("Request must be smaller than {most} bytes.");
                Some(Refusal::new(413, "RequestEntityTooLargeException", text))
            }
            Self::TooSlow => {
                Some(Refusal::new(408, "RequestTimeout", "The body did not arrive in time: 64 KiB a second at least."))
            }
            Self::Broken => None,
        }
    }
}

/// All bodies that are being read.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    room: Arc<Semaphore>,
    patience: Duration,
}

impl Intake {
    /// Bodies that may take so long to begin, or stand still.
    pub(super) fn new(patience: Duration) -> Self {
        Self { room: Arc::new(Semaphore::new(BUDGET_KIB as usize)), patience }
    }

    /// Lets an object's body through.
    pub(super) fn flowing(&self, body: Incoming) -> Flowing {
        Flowing { body, patience: self.patience, stalled: Box::pin(sleep(self.patience)), waiting: false }
    }

    /// Reads a body of at most so many bytes. A declared length that is more is refused before anything is read.
    pub(super) async fn read(&self, body: Incoming, most: usize) -> Result<Bytes, Unread> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let declared = body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let length = declared.unwrap_or(most);
        if length > most {
            discard(body, declared);
            return Err(Unread::TooLarge(most));
        }
        let kib = u32::try_from(length.div_ceil(1024)).unwrap_or(BUDGET_KIB).min(BUDGET_KIB);
        let limit = self.patience + Duration::from_secs((length / MIN_RATE) as u64);
        let read = async {
            let _room = self.room.acquire_many(kib).await;
            Limited::new(body, most).collect().await
        };
        match timeout(limit, read).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge(most)),
            Ok(Err(_)) => Err(Unread::Broken),
            Err(_) => Err(Unread::TooSlow),
        }
    }

    /// Reads what names the operation of a request that nobody signed, and drops the rest.
    pub(super) async fn beginning(&self, mut body: Incoming) -> Bytes {
        let mut read = Vec::new();
        let reading = async {
            while read.len() < MAX_UNSIGNED {
                let Some(Ok(frame)) = body.frame().await else { return };
                if let Ok(data) = frame.into_data() {
                    read.extend_from_slice(&data[..data.len().min(MAX_UNSIGNED - read.len())]);
                }
            }
        };
        let in_time = timeout(Duration::from_secs(1), reading).await.is_ok();
        if in_time {
            discard(body, None);
        }
        read.into()
    }
}

/// Reads the rest of a refused body without keeping it, since an unread one would turn the answer into a broken pipe.
/// What is too much or too slow ends the connection.
pub(super) fn discard(mut body: Incoming, declared: Option<usize>) {
    if body.is_end_stream() || declared.is_some_and(|declared| declared > MAX_ARCHIVE) {
        return;
    }
    tokio::spawn(async move {
        let mut read = 0;
        let reading = async {
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > MAX_ARCHIVE {
                    return;
                }
            }
        };
        // Either way the body is dropped here, and with it an unfinished connection.
        let _ = timeout(Duration::from_secs(5), reading).await;
    });
}

/// An object's body, which may be of any length but may not stand still.
#[derive(Debug)]
pub(super) struct Flowing {
    body: Incoming,
    patience: Duration,
    stalled: Pin<Box<Sleep>>,
    /// Whether more is waited for; while nobody asks for more, nobody keeps anybody waiting.
    waiting: bool,
}

impl hyper::body::Body for Flowing {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if !self.waiting {
            self.waiting = true;
            let until = Instant::now() + self.patience;
            self.stalled.as_mut().reset(until);
        }
        std::task::ready!(self.stalled.as_mut().poll(cx));
        Poll::Ready(Some(Err("the body stood still for too long".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
