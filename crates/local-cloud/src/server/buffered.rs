//! Requests whose body is read whole: every service but S3, deployed APIs, the image registry.
//!
//! What a head can tell is asked before the body is read, so that what nobody signed costs nothing.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use s3s::Body;

use super::intake::{self, Unread};
use super::operation::{self, Described, describe};
use super::requests::Entry;
use super::target::{Service, Target};
use super::{Before, HungUp, Shell, absent, after, before, call, dispatch, outcome, render};
use crate::call::{Call, Refusal};
use crate::faults::Fault;
use crate::service::{apigateway, ecr};
use crate::signature::{self, Unverified};

type Answered = (Entry, Result<Response<Body>, HungUp>);

pub(super) async fn answer(shell: &Shell, target: Target, request: Request<Incoming>, id: &str) -> Answered {
    let (parts, body) = request.into_parts();
    match target {
        Target::Service(service) => signed(shell, service, parts, body, id).await,
        Target::Public { .. } | Target::Registry => open(shell, &target, parts, body, id).await,
        target => unsigned(shell, &target, &parts, body, id).await,
    }
}

/// Somebody signed it, or says so.
async fn signed(shell: &Shell, service: Service, parts: Parts, body: Incoming, id: &str) -> Answered {
    let unnamed = || shell.requests.entry(service.name(), &describe(service, &parts, &Bytes::new()), None);
    let refuse = |unverified: Unverified| {
        (unnamed(), Ok(render::refusal(service, &render::unverified(service, &unverified), id)))
    };
    let claimed = match signature::claimed(&shell.cloud, &parts) {
        Ok(claimed) => claimed,
        Err(unverified) => {
            intake::discard(body, None);
            return refuse(unverified);
        }
    };
    let body = match shell.intake.read(body, intake::most(service, &parts)).await {
        Ok(body) => body,
        Err(unread) => return (unnamed(), refused(service, &unread, id)),
    };
    let caller = match claimed.verify(&parts, &body) {
        Ok(caller) => caller,
        Err(unverified) => return refuse(unverified),
    };
    let described = describe(service, &parts, &body);
    shell.recorder.take(service.name(), &parts, &body);
    let mut entry = shell.requests.entry(service.name(), &described, Some(caller.arn.clone()));
    let fault = match_fault(shell, &mut entry, &described);
    match before(fault.as_ref(), service).await {
        Before::Go => {}
        Before::Refuse(refusal) => return (entry, Ok(render::refusal(service, &refusal, id))),
        Before::HangUp => return (entry, Err(HungUp)),
    }
    let call = Call { outcome: outcome(fault.as_ref()), ..call(service, parts, body, caller, id) };
    let response = render::reply(service, dispatch(&shell.cloud, service, &call).await, id);
    (entry, after(fault.as_ref(), response))
}

/// What is behind it asks who sent it, if at all.
async fn open(shell: &Shell, target: &Target, parts: Parts, body: Incoming, id: &str) -> Answered {
    let (service, cloud) = (target.service(), &shell.cloud);
    let (described, most) = match target {
        Target::Public { api_id, path } => {
            let most = if apigateway::exists(cloud, api_id) { intake::MAX_PUBLIC } else { 0 };
            (Described::public(&parts, path), most)
        }
        _ => (Described::registry(&parts), if ecr::admits(cloud, &parts) { intake::MAX_ARCHIVE } else { 0 }),
    };
    let mut entry = shell.requests.entry(target.name(), &described, None);
    let fault = match_fault(shell, &mut entry, &described);
    match before(fault.as_ref(), service).await {
        Before::Go => {}
        Before::Refuse(refusal) => {
            intake::discard(body, None);
            return (entry, Ok(render::refusal(service, &refusal, id)));
        }
        Before::HangUp => return (entry, Err(HungUp)),
    }
    let body = if most == 0 {
        intake::discard(body, None);
        Bytes::new()
    } else {
        match shell.intake.read(body, most).await {
            Ok(body) => body,
            Err(Unread::TooLarge(_)) if matches!(target, Target::Public { .. }) => {
                let status = StatusCode::PAYLOAD_TOO_LARGE.as_u16();
                let refusal = Refusal::new(status, "RequestEntityTooLarge", "Request Entity Too Large");
                return (entry, Ok(render::refusal(service, &refusal, id)));
            }
            Err(unread) => return (entry, refused(service, &unread, id)),
        }
    };
    let response = match target {
        Target::Public { api_id, path } => {
            apigateway::serve(cloud, api_id, path, Request::from_parts(parts, body)).await.map(Body::from)
        }
        _ => ecr::serve(cloud, parts, body).await.map(Body::from),
    };
    (entry, after(fault.as_ref(), response))
}

/// Nobody signed it, or nobody here can check. The refusal names the operation, which the body may begin with.
async fn unsigned(shell: &Shell, target: &Target, parts: &Parts, body: Incoming, id: &str) -> Answered {
    let service = target.service();
    let body = shell.intake.beginning(body).await;
    let entry = shell.requests.entry(target.name(), &describe(service, parts, &body), None);
    if let Target::Absent(name) = target {
        return (entry, Ok(absent::refuse(name, parts, &body, id)));
    }
    let called = operation::named(service, parts, &body);
    let refusal = if absent::UNSIGNED_OF_STS.contains(&&*called) {
        Refusal::no_operation("STS", &called)
    } else {
        render::unverified(service, &Unverified::Missing)
    };
    (entry, Ok(render::refusal(service, &refusal, id)))
}

fn match_fault(shell: &Shell, entry: &mut Entry, described: &Described) -> Option<Fault> {
    let fault = shell.faults().meet(entry.service, &described.operation, described.write);
    entry.fault = fault.as_ref().map(Fault::name);
    fault
}

fn refused(service: Service, unread: &Unread, id: &str) -> Result<Response<Body>, HungUp> {
    let refusal = unread.refusal().ok_or(HungUp)?;
    Ok(render::refusal(service, &refusal, id))
}
