//! Connections: how many there may be, and how long each may be silent.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Connections at a time, if the system allows as many files; each may need as many again behind it.
const MAX_CONNECTIONS: usize = 1_000;
/// Longest that a head may take from its first byte.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Longest that a connection is kept on which nothing moves between requests. Above the 90 s for which the SDKs keep
/// one, so that none is ended just when it is used.
const IDLE_LIMIT: Duration = Duration::from_mins(5);

/// Longest that a body may take to begin, or that an object's may stand still.
const BODY_LIMIT: Duration = Duration::from_secs(20);

/// Limits of connections; the tests have shorter ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) head: Duration,
    pub(super) idle: Duration,
    /// Longest that a body may take to begin, or that an object's may stand still.
    pub(super) body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let files = usize::try_from(raised_file_limit()).unwrap_or(usize::MAX);
        Self {
            connections: MAX_CONNECTIONS.min(files / 4).max(16),
            head: HEAD_LIMIT,
            idle: IDLE_LIMIT,
            body: BODY_LIMIT,
        }
    }
}

/// Raises the soft limit of open files to the hard one, and says what it is now.
fn raised_file_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "could not raise the limit of open files");
            before.unwrap_or(u64::MAX)
        }
    }
}

/// All connections.
#[derive(Debug)]
pub(super) struct Lines {
    limits: Limits,
    begun: Instant,
    last: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Line>>>,
}

/// Nothing of a next request has come.
const IDLE: u8 = 0;
/// A part of a head has come.
const HEAD: u8 = 1;
/// A request is being answered; its body has limits of its own.
const BUSY: u8 = 2;

/// One connection, as far as its limits go.
#[derive(Debug)]
pub(super) struct Line {
    phase: AtomicU8,
    /// When something moved last, or the head began: milliseconds since [`Lines::begun`].
    since: AtomicU64,
    /// Cancelled when it has to make room.
    pub(super) ended: CancellationToken,
}

/// A connection's place among all. Dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    pub(super) line: Arc<Line>,
    lines: Arc<Lines>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lines.lock().remove(&self.id);
    }
}

impl Lines {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, begun: Instant::now(), last: AtomicU64::new(0), open: Mutex::default() }
    }

    /// Lets one more connection in. If there are too many, the one that has been silent longest is ended; none is let in
    /// while all are being answered.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.lock();
        if open.len() >= self.limits.connections {
            let silent = open.iter().filter(|(_, line)| line.phase.load(Ordering::Relaxed) != BUSY);
            let (id, _) = silent.min_by_key(|(_, line)| line.since.load(Ordering::Relaxed))?;
            let id = *id;
            if let Some(line) = open.remove(&id) {
                line.ended.cancel();
            }
        }
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        let line = Arc::new(Line {
            phase: AtomicU8::new(IDLE),
            since: AtomicU64::new(self.now()),
            ended: CancellationToken::new(),
        });
        open.insert(id, Arc::clone(&line));
        Some(Place { id, line, lines: Arc::clone(self) })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Line>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Returns when the connection has been silent for too long or has to make room.
    pub(super) async fn overdue(&self) {
        let watch = async {
            loop {
                let limit = match self.line.phase.load(Ordering::Relaxed) {
                    HEAD => self.lines.limits.head,
                    BUSY => {
                        tokio::time::sleep(self.lines.limits.head).await;
                        continue;
                    }
                    _ => self.lines.limits.idle,
                };
                let silent = self.lines.now().saturating_sub(self.line.since.load(Ordering::Relaxed));
                let left = limit.saturating_sub(Duration::from_millis(silent));
                if left.is_zero() {
                    return;
                }
                // It may turn from idle to a head that never ends meanwhile.
                tokio::time::sleep(left.min(self.lines.limits.head)).await;
            }
        };
        // Cancelled or overdue: either way it is over.
        let _ = self.line.ended.run_until_cancelled(watch).await;
    }

    /// A request has its head.
    pub(super) fn begin(&self) {
        self.line.phase.store(BUSY, Ordering::Relaxed);
    }

    /// A request has its answer, whose body may still be on its way.
    pub(super) fn end(&self) {
        self.moved();
        self.line.phase.store(IDLE, Ordering::Relaxed);
    }

    fn moved(&self) {
        self.line.since.store(self.lines.now(), Ordering::Relaxed);
    }

    fn has_read(&self) {
        if self.line.phase.compare_exchange(IDLE, HEAD, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.moved();
        }
    }
}

/// A stream whose bytes are noticed.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    place: Arc<Place>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, place: Arc<Place>) -> Self {
        Self { stream, place }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.place.has_read();
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.place.moved();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices));
        self.place.moved();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
