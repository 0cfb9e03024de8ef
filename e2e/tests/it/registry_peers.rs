//! An image of ours before judges that nobody here wrote: Debian's `docker-registry` takes it, and `skopeo` reads it, from
//! there and from the local cloud.
//!
//! The packages come from Debian's archive into a folder under `target/debian`, once, and are not installed. Where they
//! cannot be had, the test says so and passes; with `RUNNER_REQUIRE_PEERS=1` it fails.

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::Full;
use hyper::Request;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::harness::{Aws, Http, Pipeline, Scene, peer_is_missing, static_model_server};

/// All that is fetched, so that nothing changes unless this does. The libraries are those that a bare Debian lacks.
const PACKAGES: [&str; 6] = [
    "docker-registry=2.8.2+ds1-1",
    "skopeo=1.9.3+ds1-1+b10",
    "libgpgme11=1.18.0-3+b1",
    "libassuan0=2.5.5-5",
    "libgpg-error0=1.46-1",
    "libdevmapper1.02.1=2:1.02.185-2",
];
const V2S2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const NAME: &str = "runner/fraud";

/// The programs, unpacked.
struct Peers {
    root: PathBuf,
}

impl Peers {
    /// Fetches them the first time; none where they cannot be had.
    fn fetch() -> Option<Self> {
        Self::try_fetch()
            .map_err(|why| peer_is_missing("no other registry and no other reader has seen the image", &why))
            .ok()
    }

    fn try_fetch() -> Result<Self, String> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debian");
        fs::create_dir_all(&home).unwrap();
        let home = home.canonicalize().unwrap();
        // Held until the end of this function: the tests run at the same time, in processes of their own.
        let lock = File::create(home.join("lock")).unwrap();
        lock.lock().unwrap();
        let (root, complete) = (home.join("root"), home.join("complete"));
        let wanted = PACKAGES.join("\n");
        if !fs::read_to_string(&complete).is_ok_and(|fetched| fetched == wanted) {
            _ = fs::remove_dir_all(&root);
            let debs = home.join("debs");
            _ = fs::remove_dir_all(&debs);
            fs::create_dir_all(&debs).unwrap();
            let download = || run(Command::new("apt-get").arg("download").args(PACKAGES).current_dir(&debs));
            // A machine whose lists are old or absent finds nothing.
            download().or_else(|_| run(Command::new("apt-get").args(["update", "-qq"])).and_then(|_| download()))?;
            for deb in fs::read_dir(&debs).unwrap() {
                run(Command::new("dpkg-deb").arg("-x").arg(deb.unwrap().path()).arg(&root))?;
            }
            fs::write(complete, wanted).unwrap();
        }
        let peers = Self { root };
        run(peers.command("skopeo").arg("--version"))?;
        run(peers.command("docker-registry").arg("--version"))?;
        Ok(peers)
    }

    /// One of them, with the libraries that came along.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.root.join("usr/bin").join(program));
        let libraries =
            ["usr/lib", "lib"].map(|lib| self.root.join(lib).join(format!("{}-linux-gnu", std::env::consts::ARCH)));
        let libraries: Vec<_> = libraries.iter().map(|path| path.display().to_string()).collect();
        command.env("LD_LIBRARY_PATH", libraries.join(":")).stdin(Stdio::null());
        command
    }

    /// What `skopeo` says.
    fn skopeo(&self, arguments: &[&str]) -> String {
        let ran = run(self.command("skopeo").arg("--insecure-policy").args(arguments));
        ran.unwrap_or_else(|why| panic!("skopeo {arguments:?}: {why}"))
    }

    /// A registry on a free port, with nothing in it.
    fn registry(&self, folder: &Path) -> Registry {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.join("registry.yml");
        let storage = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: \"{}\" }} }}\n\
             http: {{ addr: \"127.0.0.1:{port}\" }}\n",
            storage.display()
        );
        fs::write(&config, text).unwrap();
        let log = File::create(folder.join("registry.log")).unwrap();
        let mut command = self.command("docker-registry");
        command.arg("serve").arg(&config).stdout(log.try_clone().unwrap()).stderr(log);
        let registry = Registry { child: command.spawn().unwrap(), host: format!("127.0.0.1:{port}") };
        let http = Http::new();
        for _ in 0..600 {
            let ping = Request::get(format!("http://{}/v2/", registry.host)).body(Full::default()).unwrap();
            if http.try_send(ping).is_ok_and(|answer| answer.status == 200) {
                return registry;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not answer: {}", fs::read_to_string(folder.join("registry.log")).unwrap());
    }
}

/// Runs a program to its end: what it printed, or what it said last.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{program}` did not run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`{program}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

/// A running `docker-registry`.
struct Registry {
    child: Child,
    host: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Registry {
    /// Uploads a blob by the registry's own API.
    fn push_blob(&self, http: &Http, bytes: &[u8]) {
        let begin = Request::post(format!("http://{}/v2/{NAME}/blobs/uploads/", self.host));
        let (status, headers) = http.exchange(begin.body(Full::default()).unwrap());
        assert_eq!(status, 202);
        let location = headers["location"].to_str().unwrap();
        let mark = if location.contains('?') { '&' } else { '?' };
        let put = Request::put(format!("{location}{mark}digest={}", digest(bytes)));
        let put = put.header("content-type", "application/octet-stream");
        let (status, headers) = http.exchange(put.body(Full::new(Bytes::copy_from_slice(bytes))).unwrap());
        assert_eq!((status, headers["docker-content-digest"].to_str().unwrap()), (201, &*digest(bytes)));
    }

    /// The status that a manifest is answered with, and the digest that it is given.
    fn push_manifest(&self, http: &Http, manifest: &[u8], tag: &str) -> (u16, Option<String>) {
        let put = Request::put(format!("http://{}/v2/{NAME}/manifests/{tag}", self.host)).header("content-type", V2S2);
        let (status, headers) = http.exchange(put.body(Full::new(Bytes::copy_from_slice(manifest))).unwrap());
        (status, headers.get("docker-content-digest").map(|digest| digest.to_str().unwrap().to_owned()))
    }
}

/// What `runner` has packed, as it lies in its cache.
struct Packed {
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

impl Packed {
    fn of(scene: &Scene) -> Self {
        let mut folders = fs::read_dir(scene.path(".runner/cache/images")).unwrap();
        let folder = folders.next().unwrap().unwrap().path();
        assert!(folders.next().is_none(), "more than one image");
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        Self { layer: read("layer.tar.gz"), config: read("config.json"), manifest: read("manifest.json") }
    }

    /// Insists that a folder to which `skopeo` copied the image holds its very bytes.
    fn is_in(&self, folder: &Path) {
        let blob = |bytes: &[u8]| fs::read(folder.join(digest(bytes).trim_start_matches("sha256:"))).unwrap();
        assert_eq!(fs::read(folder.join("manifest.json")).unwrap(), self.manifest);
        assert_eq!(blob(&self.config), self.config);
        assert_eq!(blob(&self.layer), self.layer);
    }

    /// Insists that `skopeo` has seen this image.
    fn is_seen(&self, inspected: &str, tag: &str) {
        let seen: Json = serde_json::from_str(inspected).unwrap();
        assert_eq!(seen["Digest"], *digest(&self.manifest));
        assert_eq!(seen["Layers"], json!([digest(&self.layer)]));
        assert_eq!(seen["RepoTags"], json!([tag]));
        assert_eq!((&seen["Os"], &seen["Architecture"]), (&json!("linux"), &json!(ARCHITECTURE)));
    }
}

/// This machine's, as images spell it.
const ARCHITECTURE: &str = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[test]
fn docker_registry_takes_the_image_and_skopeo_reads_it_there_and_in_the_local_cloud() {
    let Some(peers) = Peers::fetch() else { return };
    let scene = Scene::new(&Pipeline::own_image("model-server"));
    fs::copy(static_model_server(), scene.path("model-server")).unwrap();
    scene.apply();
    let packed = Packed::of(&scene);
    let at = |name: &str| scene.path(name);
    let to = |name: &str| format!("dir:{}", at(name).display());

    // The other registry checks what a manifest names before it takes it.
    let registry = peers.registry(&at(""));
    let http = Http::new();
    assert_eq!(registry.push_manifest(&http, &packed.manifest, "1").0, 400, "its blobs are not there yet");
    registry.push_blob(&http, &packed.layer);
    registry.push_blob(&http, &packed.config);
    let pushed = registry.push_manifest(&http, &packed.manifest, "1");
    assert_eq!(pushed, (201, Some(digest(&packed.manifest))));
    let there = format!("docker://{}/{NAME}:1", registry.host);
    packed.is_seen(&peers.skopeo(&["inspect", "--tls-verify=false", &there]), "1");
    peers.skopeo(&["copy", "--src-tls-verify=false", &there, &to("peer")]);
    packed.is_in(&at("peer"));

    // What is in the local cloud after an apply is the same, by the registry's API and with its password.
    let aws = scene.aws();
    let images = aws.ecr("ListImages", &json!({ "repositoryName": NAME })).json();
    let tag = images["imageIds"][0]["imageTag"].as_str().unwrap();
    let password = password(&aws);
    let here = format!("docker://127.0.0.1:{}/{NAME}:{tag}", aws.port);
    packed.is_seen(&peers.skopeo(&["inspect", "--tls-verify=false", "--creds", &password, &here]), tag);
    peers.skopeo(&["copy", "--src-tls-verify=false", "--src-creds", &password, &here, &to("ours")]);
    packed.is_in(&at("ours"));
    let wrong = peers
        .command("skopeo")
        .args(["--insecure-policy", "inspect", "--tls-verify=false"])
        .args(["--creds", "AWS:x", &here])
        .output();
    assert!(!wrong.unwrap().status.success(), "a wrong password opened the registry");

    // Read as another form, the layer is unpacked and must be what the configuration says.
    let oci = format!("oci:{}:1", at("oci").display());
    peers.skopeo(&["copy", "--src-tls-verify=false", "--src-creds", &password, &here, &oci]);
    let mut archive = vec![];
    GzDecoder::new(&*packed.layer).read_to_end(&mut archive).unwrap();
    let config: Json = serde_json::from_str(&peers.skopeo(&["inspect", "--config", &oci])).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], json!([digest(&archive)]));
    assert_eq!(config["config"]["Entrypoint"], json!(["/model-server"]));
    fs::write(at("layer.tar"), &archive).unwrap();
    let listed = run(Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(at("layer.tar"))).unwrap();
    let listed: Vec<_> = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    let seen: Vec<_> = listed.iter().map(|line| (line[0], line[1], line[line.len() - 1])).collect();
    assert_eq!(seen, [("-rwxr-xr-x", "0/0", "model-server"), ("drwxrwxrwt", "0/0", "tmp/")]);
    fs::create_dir(at("out")).unwrap();
    run(Command::new("tar").arg("-xf").arg(at("layer.tar")).arg("-C").arg(at("out")).arg("model-server")).unwrap();
    assert_eq!(fs::read(at("out/model-server")).unwrap(), fs::read(static_model_server()).unwrap());
}

/// And the other way round: what another tool pushes by the registry's API is an image like any other.
#[test]
fn skopeo_pushes_an_image_from_one_registry_to_the_local_cloud() {
    let Some(peers) = Peers::fetch() else { return };
    let scene = Scene::new(&Pipeline::own_image("model-server"));
    fs::copy(static_model_server(), scene.path("model-server")).unwrap();
    scene.apply();
    let (packed, aws) = (Packed::of(&scene), scene.aws());
    aws.ecr("CreateRepository", &json!({ "repositoryName": "copied" }));
    let password = password(&aws);
    let registry = peers.registry(&scene.path(""));
    let http = Http::new();
    registry.push_blob(&http, &packed.layer);
    registry.push_blob(&http, &packed.config);
    registry.push_manifest(&http, &packed.manifest, "1");
    let (from, to) =
        (format!("docker://{}/{NAME}:1", registry.host), format!("docker://127.0.0.1:{}/copied:1", aws.port));
    let flags = ["copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds", &password];
    peers.skopeo(&[&flags[..], &[&from, &to]].concat());
    let images = aws.ecr("DescribeImages", &json!({ "repositoryName": "copied" })).json();
    assert_eq!(images["imageDetails"][0]["imageDigest"], *digest(&packed.manifest));
    aws.ecr("DeleteRepository", &json!({ "repositoryName": "copied", "force": true }));
}

/// The user and the password that the local cloud gives for its registry.
fn password(aws: &Aws) -> String {
    let token = aws.ecr("GetAuthorizationToken", &json!({})).json();
    let token = token["authorizationData"][0]["authorizationToken"].as_str().unwrap();
    String::from_utf8(BASE64.decode(token).unwrap()).unwrap()
}
