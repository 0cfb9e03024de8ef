//! Children end with the cloud, however it ends: killed, it can end nobody.
//!
//! A shell beside the cloud reads the ids of process groups from a pipe. The pipe closes when the cloud ends, also when it
//! is killed, and the shell then ends the remaining groups.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Reads `+ GROUP` and `- GROUP` until nobody can write any more.
const SCRIPT: &str = r#"
groups=
while read -r sign group; do
  left=
  for known in $groups; do [ "$known" = "$group" ] || left="$left $known"; done
  case $sign in +) groups="$left $group" ;; *) groups=$left ;; esac
done
for group in $groups; do kill -9 "-$group" 2>/dev/null; done
"#;

/// The shell, and how to tell it something.
#[derive(Debug)]
pub(crate) struct Guard(Mutex<Option<Child>>);

/// A process group that ends with the cloud, until this is dropped.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Arc<Guard>,
    group: u32,
}

impl Guard {
    /// Starts the shell. Without one, children still end with a cloud that ends by itself.
    pub(crate) fn start() -> Arc<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
        // A group of its own: what is sent to the cloud's is not for it.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let shell = shell.spawn();
        if let Err(error) = &shell {
            tracing::warn!(%error, "could not start /bin/sh: if the cloud is killed, its children stay");
        }
        Arc::new(Self(Mutex::new(shell.ok())))
    }

    /// Has a group end with the cloud.
    pub(crate) fn watch(self: &Arc<Self>, group: Option<u32>) -> Option<Guarded> {
        let group = group?;
        self.tell('+', group);
        Some(Guarded { guard: Arc::clone(self), group })
    }

    fn tell(&self, sign: char, group: u32) {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pipe) = shell.as_mut().and_then(|shell| shell.stdin.as_mut()) else { return };
        if let Err(error) = pipe.write_all(format!("{sign} {group}\n").as_bytes()) {
            tracing::warn!(%error, "lost the shell that ends children of a killed cloud");
            *shell = None;
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.guard.tell('-', self.group);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut shell) = shell.take() {
            // The end of the pipe is its sign.
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn who_is_watched_when_the_pipe_closes_is_ended_and_nobody_else() {
        let guard = Guard::start();
        let sleep = || Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let (mut left, mut released, mut stranger) = (sleep(), sleep(), sleep());
        drop(guard.watch(Some(released.id())));
        let watched = guard.watch(Some(left.id())).unwrap();
        // As if the cloud had been killed: nobody says that the group is done.
        let shell = guard.0.lock().unwrap().take();
        drop(watched);
        let mut shell = shell.unwrap();
        drop(shell.stdin.take());
        assert!(shell.wait().is_ok());
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        for child in [&mut released, &mut stranger] {
            assert_eq!(child.try_wait().unwrap(), None);
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
