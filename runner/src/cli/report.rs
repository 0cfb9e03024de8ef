//! `runner report`: the evaluation as a page for people.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use stages::train;

use super::announce;
use crate::event::today;
use crate::failure::Failure;
use crate::session::{Session, Wants};
use crate::{state_folder, terminal};

/// What opens a page, where it is there.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The pipeline file
    #[arg(default_value = "pipeline.yaml")]
    pub(super) file: PathBuf,
    /// Where to look for the model: an entry of `targets:` in the pipeline file
    #[arg(long, default_value = "local")]
    pub(super) target: String,
    /// Write the page here [default: beside the model in `.runner/cache`]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only write the page and print its path
    #[arg(long)]
    no_open: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let Arguments { file, target, output, no_open } = arguments;
    let session = Session::open(&Wants { file, target, inputs: true, deploys: false, start: false, skip: &[] }).await?;
    announce(&session.place);
    let rule = train::threshold(session.spec.deploy_proxy.response.threshold);
    let (clients, cache, today) = (session.clients.as_ref(), &session.cache, today());
    let page = train::page(clients, cache, &session.names, &session.inputs, rule, &today);
    let page = page.await.map_err(|error| Failure::Stage {
        stage: train::STAGE.name.to_owned(),
        doing: "show what is known about the model".to_owned(),
        error: Box::new(error),
        others: 0,
    })?;
    let path = output.clone().unwrap_or_else(|| session.cache.report(&session.inputs.model.fingerprint));
    if output.is_none() {
        state_folder::create(&session.folder)?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| unwritten(&path, &error))?;
    }
    std::fs::write(&path, page).map_err(|error| unwritten(&path, &error))?;
    terminal::line(&path.display().to_string());
    if !no_open && std::io::stdout().is_terminal() {
        open(&path);
    }
    Ok(0)
}

fn unwritten(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("cannot write `{}`: {error}", path.display()))
}

/// Shows the page where there is something to show it with; its path was printed in any case.
fn open(path: &std::path::Path) {
    let opened = OPENERS.iter().any(|opener| {
        let mut command = Command::new(opener);
        command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    });
    if !opened {
        terminal::say("nothing here opens pages; look at it in a browser");
    }
}
