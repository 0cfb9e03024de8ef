//! The running servers behind one endpoint, and who may use them until when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::capture::Capture;
use super::record::{Fleet, Variant};
use super::server_process::Server;

/// One generation of servers. It lives until the last request that was let in has its answer.
#[derive(Debug)]
pub(super) struct Running {
    /// The generation's id in the endpoint's record.
    pub(super) id: String,
    /// The config that it serves.
    config_name: String,
    capture: Option<Capture>,
    variants: Vec<RunningVariant>,
    requests: TaskTracker,
}

/// What of an endpoint takes requests: one generation, or two while traffic moves from one to the next.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) now: Arc<Running>,
    /// The next one, and its share of the requests, 0 to 1.
    pub(super) next: Option<(Arc<Running>, f64)>,
}

/// A variant's server and its share of the requests.
#[derive(Debug)]
pub(super) struct RunningVariant {
    pub(super) name: String,
    pub(super) is_serverless: bool,
    /// The endpoint's role, as which captures are written.
    pub(super) role: Option<String>,
    pub(super) server: Server,
    weight: Mutex<f64>,
    /// Machines that it pretends to be, or requests that it is kept warm for.
    capacity: AtomicU64,
}

/// A request's hold on the servers: they are not ended before it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    running: Arc<Running>,
    _token: TaskTrackerToken,
}

impl Serving {
    pub(super) fn new(now: Arc<Running>) -> Self {
        Self { now, next: None }
    }

    /// Lets a request in, to a generation drawn by its share.
    pub(super) fn lease(&self) -> Lease {
        match &self.next {
            Some((next, share)) if rand::random::<f64>() < *share => next.lease(),
            _ => self.now.lease(),
        }
    }

    /// All generations.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Running>> {
        std::iter::once(&self.now).chain(self.next.iter().map(|(next, _)| next))
    }
}

impl Running {
    /// Joins the fleet's description with its servers, which come in the same order.
    pub(super) fn new(fleet: &Fleet, servers: Vec<Server>) -> Self {
        let join = |(variant, server): (&Variant, Server)| RunningVariant {
            name: variant.name.clone(),
            is_serverless: variant.serverless.is_some(),
            role: variant.role.clone(),
            server,
            weight: Mutex::new(variant.current_weight),
            capacity: AtomicU64::new(capacity(variant)),
        };
        let variants = fleet.variants.iter().zip(servers).map(join).collect();
        Self {
            id: fleet.id.clone(),
            config_name: fleet.config_name.clone(),
            capture: fleet.capture.clone(),
            variants,
            requests: TaskTracker::new(),
        }
    }

    /// Lets a request in.
    fn lease(self: &Arc<Self>) -> Lease {
        Lease { running: Arc::clone(self), _token: self.requests.token() }
    }

    /// Gives a variant the share and the capacity that its description has now.
    pub(super) fn follow(&self, described: &Variant) {
        for variant in self.variants.iter().filter(|known| known.name == described.name) {
            *variant.weight.lock().unwrap_or_else(PoisonError::into_inner) = described.current_weight;
            variant.capacity.store(capacity(described), Ordering::Relaxed);
        }
    }

    /// Waits until no request is inside. Nobody may be let in any more.
    pub(super) async fn drain(&self) {
        self.requests.close();
        self.requests.wait().await;
    }

    /// Ends all servers and waits for their end.
    pub(super) async fn stop(&self) {
        join_all(self.variants.iter().map(|variant| variant.server.stop())).await;
    }
}

impl RunningVariant {
    /// Machines that it pretends to be, or requests that it is kept warm for.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Relaxed)
    }
}

fn capacity(variant: &Variant) -> u64 {
    match &variant.serverless {
        Some(serverless) => serverless["ProvisionedConcurrency"].as_u64().unwrap_or_default(),
        None => variant.current_count,
    }
}

impl Lease {
    /// The config that is served.
    pub(super) fn config_name(&self) -> &str {
        &self.running.config_name
    }

    /// Requests that are inside now.
    pub(super) fn inside(&self) -> usize {
        self.running.requests.len()
    }

    /// What is kept of requests and answers.
    pub(super) fn capture(&self) -> Option<&Capture> {
        self.running.capture.as_ref()
    }

    /// The variant that was asked for, or one drawn by weight. None when there is no such variant.
    pub(super) fn choose(&self, target: Option<&str>) -> Option<&RunningVariant> {
        let variants = &self.running.variants;
        if let Some(target) = target {
            return variants.iter().find(|variant| variant.name == target);
        }
        let weights = || variants.iter().map(|v| *v.weight.lock().unwrap_or_else(PoisonError::into_inner));
        let total: f64 = weights().sum();
        if variants.len() == 1 || total <= 0.0 {
            return variants.first();
        }
        let mut draw = rand::random_range(0.0..total);
        let drawn = weights().position(|weight| {
            draw -= weight;
            draw < 0.0
        });
        variants.get(drawn.unwrap_or(variants.len() - 1))
    }
}
