//! AWS's service models, out of botocore's wheel.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use flate2::read::GzDecoder;
use serde_json::Value as Json;
use zip::ZipArchive;

use crate::harness::peer_is_missing;

/// The release whose models count.
const BOTOCORE: &str = "botocore==1.44.8";

/// All models, read when they are asked for.
pub(super) struct Models {
    wheel: PathBuf,
    services: Mutex<BTreeMap<String, &'static Service>>,
}

/// A service's model.
pub(super) struct Service(Json);

/// An operation of a service.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    pub(super) service: &'a Service,
    pub(super) name: &'a str,
    /// The model's own words about it.
    pub(super) json: &'a Json,
}

/// A shape of a service, where it is used: the use may give it another name on the wire.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    service: &'a Service,
    /// The definition.
    pub(super) json: &'a Json,
    /// The reference to it.
    used: &'a Json,
}

impl Models {
    /// The models; none where they cannot be had, which is said.
    pub(super) fn get() -> Option<&'static Self> {
        static MODELS: OnceLock<Option<Models>> = OnceLock::new();
        let models = MODELS.get_or_init(|| match wheel() {
            Ok(wheel) => Some(Self { wheel, services: Mutex::default() }),
            Err(why) => {
                peer_is_missing("NO REQUEST WAS JUDGED BY AWS'S SERVICE MODELS", &why);
                None
            }
        });
        models.as_ref()
    }

    /// The model of a service by its folder's name in botocore.
    pub(super) fn service(&self, name: &str) -> &'static Service {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services.entry(name.to_owned()).or_insert_with(|| Box::leak(Box::new(self.read(name))))
    }

    fn read(&self, name: &str) -> Service {
        let mut wheel = ZipArchive::new(File::open(&self.wheel).unwrap()).unwrap();
        let (folder, file) = (format!("botocore/data/{name}/"), "/service-2.json.gz");
        let of_ours = |path: &&str| path.starts_with(&folder) && path.ends_with(file);
        // Folders are named by dates: the last one is the newest.
        let newest = wheel.file_names().filter(of_ours).max().map(ToOwned::to_owned);
        let newest = newest.unwrap_or_else(|| panic!("botocore has no service `{name}`"));
        let mut text = String::new();
        GzDecoder::new(wheel.by_name(&newest).unwrap()).read_to_string(&mut text).unwrap();
        Service(serde_json::from_str(&text).unwrap())
    }
}

impl Service {
    /// For example `protocol`; empty when it is not said.
    pub(super) fn metadata(&self, name: &str) -> &str {
        self.0["metadata"][name].as_str().unwrap_or_default()
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let all = self.0["operations"].as_object().into_iter().flatten();
        all.map(|(name, json)| Operation { service: self, name, json })
    }

    pub(super) fn operation(&self, name: &str) -> Option<Operation<'_>> {
        self.operations().find(|operation| operation.name == name)
    }

    fn shape<'a>(&'a self, used: &'a Json) -> Shape<'a> {
        let name = used["shape"].as_str().unwrap();
        Shape { service: self, json: &self.0["shapes"][name], used }
    }
}

impl<'a> Operation<'a> {
    /// The structure that a request is; none when the operation takes nothing.
    pub(super) fn input(self) -> Option<Shape<'a>> {
        self.json.get("input").map(|used| self.service.shape(used))
    }

    /// Method, path with labels in braces, and the part of the query that never changes.
    pub(super) fn http(self) -> (&'a str, &'a str, &'a str) {
        let http = &self.json["http"];
        let uri = http["requestUri"].as_str().unwrap_or("/");
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        (http["method"].as_str().unwrap_or("POST"), path, query)
    }
}

impl<'a> Shape<'a> {
    pub(super) fn kind(self) -> &'a str {
        self.json["type"].as_str().unwrap_or_default()
    }

    /// A word about its use, or else about itself.
    pub(super) fn trait_of(self, name: &str) -> Option<&'a Json> {
        self.used.get(name).or_else(|| self.json.get(name))
    }

    /// Whether its use, or it itself, bears a mark.
    pub(super) fn is(self, mark: &str) -> bool {
        self.trait_of(mark).is_some_and(|value| *value == true)
    }

    /// Where in a request it travels: `uri`, `querystring`, `header`, `headers`; none is the body.
    pub(super) fn location(self) -> Option<&'a str> {
        self.used.get("location").and_then(Json::as_str)
    }

    /// What it is called on the wire, if that is not its own name.
    pub(super) fn location_name(self) -> Option<&'a str> {
        self.used.get("locationName").and_then(Json::as_str)
    }

    /// A structure's members.
    pub(super) fn members(self) -> impl Iterator<Item = (&'a str, Shape<'a>)> {
        let members = self.json["members"].as_object().into_iter().flatten();
        members.map(move |(name, used)| (name.as_str(), self.service.shape(used)))
    }

    pub(super) fn member(self, name: &str) -> Option<Shape<'a>> {
        self.members().find(|(known, _)| *known == name).map(|(_, member)| member)
    }

    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.json["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
    }

    /// What a list consists of.
    pub(super) fn item(self) -> Shape<'a> {
        self.service.shape(&self.json["member"])
    }

    /// What a map's keys are.
    pub(super) fn key(self) -> Shape<'a> {
        self.service.shape(&self.json["key"])
    }

    /// What a map's values are.
    pub(super) fn value(self) -> Shape<'a> {
        self.service.shape(&self.json["value"])
    }
}

/// Downloads the wheel, the first time.
fn wheel() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("botocore");
    fs::create_dir_all(&home).unwrap();
    // Held until the end of this function: tests may run at the same time, in processes of their own.
    let lock = File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    let name = format!("{}-py3-none-any.whl", BOTOCORE.replace("==", "-"));
    let wheel = home.join(&name);
    if wheel.exists() {
        return Ok(wheel);
    }
    let part = home.join("part");
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]);
    pip.args(["--retries", "2", "--timeout", "30", "--dest"]).arg(&part).arg(BOTOCORE);
    let output = pip.output().map_err(|error| format!("`python3` did not run: {error}"))?;
    if !output.status.success() {
        return Err(format!("`pip` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    fs::rename(part.join(name), &wheel).unwrap();
    Ok(wheel)
}
