//! stub
use std::sync::Arc; use bytes::Bytes; use http::{Request,Response}; use crate::Cloud; use crate::call::*; use crate::cloud::Config; use crate::state::StateError;
/// x
#[derive(Debug)] pub struct ApiGateway {}
impl ApiGateway { /// x
pub fn open(_c:&Config)->Result<Self,StateError>{Ok(Self{})} /// x
pub fn is_empty(&self)->bool{true}}
/// x
pub async fn handle(_cloud: &Arc<Cloud>, _call: &Call) -> Reply { Err(Refusal::new(404, "NotFoundException", "not here")) }
/// x
pub async fn serve(_cloud: &Arc<Cloud>, _api_id: &str, _path: &str, _request: Request<Bytes>) -> Response<Bytes> { Response::new(Bytes::new()) }
