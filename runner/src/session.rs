//! What every command begins with: the file, the place, the clients, what is declared.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plan::{Goal, Plan, World};
use spec::{Auth, AwsTarget, Complaint, Container, DeployerPolicy, LocalTarget, Spec, Target, Token};
use stages::clients::Connection;
use stages::inputs::{self, LookError, Objects, Tools};
use stages::{Cache, Clients, Declared, Inputs, Limits, Names, Site, Skip, Wanted, create_role, deploy_proxy};

use crate::deployer;
use crate::event::ReadingBar;
use crate::failure::Failure;
use crate::local::{self, LocalCloud};
use crate::observe::{observe, observe_cache};
use crate::state_folder;

/// Largest pipeline file, plan or policy that is read.
const FILE_LIMIT_BYTES: u64 = 16 << 20;

/// Account of the local cloud.
pub(crate) const LOCAL_ACCOUNT: &str = "000000000000";

/// What a command works with.
pub(crate) struct Session {
    pub(crate) spec: Spec,
    pub(crate) inputs: Arc<Inputs>,
    pub(crate) names: Names,
    pub(crate) declared: Declared,
    pub(crate) limits: Limits,
    /// None: the local cloud is not there, so nothing is but files on this machine.
    pub(crate) clients: Option<Clients>,
    pub(crate) cache: Cache,
    /// Folder of the pipeline file.
    pub(crate) folder: PathBuf,
    /// Where it acts, for the first line.
    pub(crate) place: String,
    /// The local cloud's home, when that is the place.
    pub(crate) local: Option<LocalCloud>,
    /// Stages that are left out.
    pub(crate) skip: Skip,
}

/// What a command needs to begin.
pub(crate) struct Wants<'a> {
    pub(crate) file: &'a Path,
    pub(crate) target: &'a str,
    /// Whether data and model are read and checked. Without them every version counts as an old one.
    pub(crate) inputs: bool,
    /// Whether it is about a deployment, so that what no deployment can have is refused.
    pub(crate) deploys: bool,
    /// Whether a local cloud that has never run is started.
    pub(crate) start: bool,
    /// Stages that are left out.
    pub(crate) skip: &'a [String],
}

impl Session {
    /// Reads the file, finds the place, and declares.
    pub(crate) async fn open(wants: &Wants<'_>) -> Result<Self, Failure> {
        let (spec, target) = pipeline(wants.file, wants.target)?;
        let skip = Skip::new(wants.skip.iter().map(String::as_str));
        if wants.deploys {
            deploy_proxy::check(&spec, &skip)?;
        }
        let base = wants.file.parent().unwrap_or(Path::new(""));
        let cache = Cache::new(state_folder::find(base)?.join("cache"));
        let read = |objects: &Objects| read_inputs(&spec, base, &cache, objects);
        // What is on this machine is found wrong before anything else is touched.
        let early = match wants.inputs {
            false => Some(Inputs::none(&spec)),
            true if inputs::needs_a_look(&spec) => None,
            true => Some(read(&Objects::new())?),
        };

        let Place { clients, site, words: place, limits, local } = match &target {
            Target::Local(target) => Box::pin(Place::local(target, wants, &spec, &cache)).await?,
            Target::Aws(target) => Place::aws(target, wants.target, &spec, &cache).await?,
        };
        let inputs = match (early, &clients) {
            (Some(inputs), _) => inputs,
            (None, None) => read(&Objects::new())?,
            (None, Some(clients)) => {
                let objects = inputs::look(&spec, clients).await.map_err(|error| unseen(error, local.is_some()))?;
                read(&objects)?
            }
        };
        let inputs = Arc::new(inputs);
        let names = Names::of(&spec, &inputs, site);
        let wanted = Wanted { spec: &spec, inputs: &inputs, names: &names, skip: &skip };
        let declared = Declared::of(&wanted);
        if wants.deploys {
            create_role::check(&wanted)?;
        }
        if wants.inputs {
            declared.check_skips().map_err(|error| Failure::Usage(error.to_string()))?;
        }
        let place = if skip.is_empty() { place } else { format!("{place}, without {skip}") };
        let folder = base.to_owned();
        Ok(Self { spec, inputs, names, declared, limits, clients, cache, folder, place, local, skip })
    }

    /// Refuses to begin what would end for want of a token.
    pub(crate) fn has_token(&self) -> Result<(), Failure> {
        let Some(Token::Env(name)) = &self.spec.smoke_test.token else { return Ok(()) };
        if self.skip.contains(stages::smoke_test::STAGE.name) {
            return Ok(());
        }
        if environment(name).is_some_and(|value| !value.trim().is_empty()) {
            return Ok(());
        }
        let message = format!("the environment has no variable `{name}`");
        let complaint = self.spec.complain("stages.smoke-test.token.env", message);
        Err(complaint
            .help("set it to a token of the issuer; without `token` the model is proved without the gateway")
            .into())
    }

    /// Looks at what is there.
    pub(crate) async fn observe(&self) -> Result<World, Failure> {
        match &self.clients {
            Some(clients) => observe(&self.declared, clients).await,
            None => observe_cache(&self.declared, &self.cache),
        }
    }

    /// Compares.
    pub(crate) fn plan(&self, world: &World, goal: Goal) -> Result<Plan, Failure> {
        Ok(plan::plan(&self.declared.desired(goal), world, goal)?)
    }
}

/// Program and first arguments of a process that holds what must end with this one.
pub(crate) fn supervisor() -> [OsString; 2] {
    [local::own_executable().into(), "supervise".into()]
}

/// Reads what the pipeline file points at, and shows how far it is.
pub(crate) fn read_inputs(spec: &Spec, base: &Path, cache: &Cache, objects: &Objects) -> Result<Inputs, Complaint> {
    let (tools, reading) = (tools(), ReadingBar::default());
    let place = inputs::Place { base, tools: &tools, cache, objects };
    Inputs::read(spec, &place, &mut |progress| reading.show(progress))
}

/// Where a command acts.
pub(crate) struct Place {
    pub(crate) clients: Option<Clients>,
    site: Site,
    /// For people.
    pub(crate) words: String,
    limits: Limits,
    local: Option<LocalCloud>,
}

impl Place {
    pub(crate) async fn local(
        target: &LocalTarget,
        wants: &Wants<'_>,
        spec: &Spec,
        cache: &Cache,
    ) -> Result<Self, Failure> {
        let base = wants.file.parent().unwrap_or(Path::new(""));
        let site = Site { account: LOCAL_ACCOUNT.to_owned(), region: target.region.clone(), plain_http: false };
        let policy = target.deployer_policy.as_ref();
        let document = policy.map(|policy| deployer::document(policy, spec, base, &site)).transpose()?;
        let home = LocalCloud::new(state_folder::find(base)?.join("local"), target);
        let running =
            if wants.start || home.has_state() { Some(home.ensure_running().await?) } else { home.running().await };
        let (mut clients, mut words) = (None, "local cloud, not started".to_owned());
        if let Some(running) = running {
            words = format!("local cloud at {}", running.url());
            if spec.create_endpoint.container != Container::ModelServer {
                words.push_str(", where `model-server` stands in for AWS's image");
            }
            let mut all = Clients::connect(&running.connection(), cache.clone()).await;
            if let Some(document) = &document {
                let owner = (&all, running.connection());
                let connection = deployer::connection(document, spec, owner, &site).await?;
                all = Clients::connect(&connection, cache.clone()).await;
            }
            clients = Some(all);
        }
        let allows = |what: String| format!("{words}, and with what {what} allows");
        let words = match policy {
            Some(DeployerPolicy::Own) => allows("`runner policy`".to_owned()),
            Some(DeployerPolicy::File(file)) => allows(format!("`{}`", file.display())),
            None => words,
        };
        Ok(Self { clients, site, words, limits: Limits::LOCAL, local: Some(home) })
    }

    async fn aws(target: &AwsTarget, name: &str, spec: &Spec, cache: &Cache) -> Result<Self, Failure> {
        check_issuer(spec, target)?;
        let clients = Clients::connect(&Connection::Aws(target.clone()), cache.clone()).await;
        let site = clients.site().await?;
        if let Some(account) = target.account.as_ref().filter(|account| **account != site.account) {
            return Err(Failure::Blocked(format!(
                "target `{name}` is account {account}, but the credentials are for account {}",
                site.account
            )));
        }
        let words = format!("account {}, region {}", site.account, site.region);
        let limits = if site.plain_http { Limits::LOCAL } else { Limits::AWS };
        Ok(Self { clients: Some(clients), site, words, limits, local: None })
    }
}

/// The pipeline file, and the target that is meant.
pub(crate) fn pipeline(file: &Path, target: &str) -> Result<(Spec, Target), Failure> {
    let source =
        read_text(file).map_err(|error| Failure::Usage(format!("cannot read `{}`: {error}", file.display())))?;
    let spec = Spec::parse(&source, file)?;
    let known = spec.targets.get(target).ok_or_else(|| unknown_target(&spec, target))?.clone();
    Ok((spec, known))
}

/// Reads a file that a user names, of at most [`FILE_LIMIT_BYTES`]: a device such as `/dev/zero` has no end.
pub(crate) fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(FILE_LIMIT_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LIMIT_BYTES {
        return Err(io::Error::other(format!("it has more than {FILE_LIMIT_BYTES} bytes")));
    }
    Ok(text)
}

/// A variable of the environment that the pipeline file names.
#[expect(clippy::disallowed_methods, reason = "the program hands its environment on here")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// AWS asks issuers over TLS alone.
fn check_issuer(spec: &Spec, target: &AwsTarget) -> Result<(), Failure> {
    match &spec.deploy_proxy.auth {
        Auth::Jwt(jwt) if jwt.issuer.starts_with("http://") && target.endpoint_url.is_none() => {
            let message = "AWS takes tokens of an `https://` issuer only";
            let complaint = spec.complain("stages.deploy-proxy.auth.jwt.issuer", message);
            Err(complaint.help("`http://127.0.0.1` is for the local cloud").into())
        }
        _ => Ok(()),
    }
}

/// Rows in S3 that could not be looked at.
fn unseen(error: LookError, local: bool) -> Failure {
    match error {
        LookError::Missing(complaint) if local => {
            complaint.help("the local cloud has its own S3; `runner local env` says how other programs reach it").into()
        }
        LookError::Missing(complaint) => complaint.into(),
        LookError::Stage(error) => Failure::Stage {
            stage: stages::train::STAGE.name.to_owned(),
            doing: "look at the data".to_owned(),
            error: Box::new(error),
            others: 0,
        },
    }
}

fn unknown_target(spec: &Spec, target: &str) -> Failure {
    let known: Vec<_> = spec.targets.keys().map(|name| format!("`{name}`")).collect();
    Failure::Usage(format!("there is no target `{target}`; the pipeline file has {}", known.join(", ")))
}

/// Where the programs come from: from source while the workspace of this program is there, else from beside it.
fn tools() -> Tools {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
    Tools {
        workspace: workspace.filter(|dir| dir.join("lambda-proxy/Cargo.toml").exists()),
        release: !cfg!(debug_assertions),
        proxy: local::own_executable().with_file_name("lambda-proxy"),
        model_server: local::own_executable().with_file_name("model-server"),
    }
}
