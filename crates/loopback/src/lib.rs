//! Whose socket is at the other end of a loopback connection. Source: `proc_net_tcp(5)`, `proc_pid_stat(5)`.
//!
//! Programs of every user on a machine can connect to 127.0.0.1. A server there checks its peers with this crate.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot set up has failed"))]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;

/// `st` of a socket that listens.
const LISTENS: &str = "0A";

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user who made the socket.
    pub uid: u32,
    /// The socket's number.
    pub inode: u64,
}

/// The user that this process runs as.
pub fn own_uid() -> io::Result<u32> {
    Ok(fs::metadata("/proc/self")?.uid())
}

/// Finds the socket of `peer` that is connected to our `local`. None when no process holds it any more: the system
/// then shows root as its owner, whoever it was.
pub fn find(peer: SocketAddr, local: SocketAddr) -> io::Result<Option<Peer>> {
    let pairs = [false, true].map(|mapped| (written(peer, mapped), written(local, mapped)));
    search(|line, mapped| {
        let (theirs, ours) = &pairs[usize::from(mapped)];
        line.local == theirs && line.remote == ours
    })
}

/// Finds who listens on a port of 127.0.0.1.
pub fn listener(port: u16) -> io::Result<Option<Peer>> {
    let [address, everywhere] = [[127, 0, 0, 1], [0; 4]].map(|ip| SocketAddr::from((ip, port)));
    let pairs = [false, true].map(|mapped| [written(address, mapped), written(everywhere, mapped)]);
    search(|line, mapped| line.state == LISTENS && pairs[usize::from(mapped)].iter().any(|local| line.local == local))
}

fn search(wanted: impl Fn(&Line<'_>, bool) -> bool) -> io::Result<Option<Peer>> {
    let table = BufReader::new(File::open("/proc/net/tcp")?);
    if let Some(found) = pick(table, |line| wanted(line, false))? {
        return Ok(Some(found).filter(|peer| peer.inode != 0));
    }
    // A socket of the newer family that speaks the older protocol. Without that family there is no such table.
    let Ok(table) = File::open("/proc/net/tcp6") else { return Ok(None) };
    Ok(pick(BufReader::new(table), |line| wanted(line, true))?.filter(|peer| peer.inode != 0))
}

/// One line of the table.
struct Line<'a> {
    local: &'a str,
    remote: &'a str,
    state: &'a str,
    peer: Peer,
}

/// Finds a line. The table has every socket of the machine, so it is never in memory whole.
fn pick(mut table: impl BufRead, wanted: impl Fn(&Line<'_>) -> bool) -> io::Result<Option<Peer>> {
    let mut text = String::new();
    loop {
        text.clear();
        if table.read_line(&mut text)? == 0 {
            return Ok(None);
        }
        // The heading is no line of a socket.
        if let Some(line) = parse(&text).filter(&wanted) {
            return Ok(Some(line.peer));
        }
    }
}

fn parse(line: &str) -> Option<Line<'_>> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    let mut fields = fields.skip(3);
    let uid = fields.next()?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    Some(Line { local, remote, state, peer: Peer { uid, inode } })
}

/// An address as the table writes it: words of four bytes in the machine's order, then the port.
fn written(address: SocketAddr, mapped: bool) -> String {
    let words = |bytes: &[u8]| -> String {
        let words = bytes.chunks_exact(4).filter_map(|word| word.try_into().ok()).map(u32::from_ne_bytes);
        words.fold(String::new(), |text, word| format!("{text}{word:08X}"))
    };
    let ip = match (address.ip(), mapped) {
        (IpAddr::V4(ip), true) if ip.is_unspecified() => words(&[0; 16]),
        (IpAddr::V4(ip), true) => words(&ip.to_ipv6_mapped().octets()),
        (IpAddr::V4(ip), false) => words(&ip.octets()),
        (IpAddr::V6(ip), _) => words(&ip.octets()),
    };
    format!("{ip}:{:04X}", address.port())
}

/// Whether a socket is held by a process of this group, or by one that its leader has begotten.
pub fn is_of_group(leader: u32, inode: u64) -> bool {
    if holds(leader, inode) {
        return true;
    }
    let processes: HashMap<u32, Process> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect();
    let descends = |pid: u32| {
        let parents = std::iter::successors(Some(pid), |pid| processes.get(pid).map(|process| process.parent));
        // The chain ends at 0; a number that was given anew meanwhile must not make it a circle.
        parents.take(processes.len() + 1).any(|parent| parent == leader)
    };
    let ours = processes.iter().filter(|(pid, process)| process.group == leader || descends(**pid));
    ours.into_iter().any(|(pid, _)| holds(*pid, inode))
}

struct Process {
    parent: u32,
    group: u32,
}

/// Reads `pid (name) state parent group …`; the name may hold anything.
fn process(stat: &str) -> Option<Process> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(1);
    Some(Process { parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

fn holds(pid: u32, inode: u64) -> bool {
    let link = format!("socket:[{inode}]");
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
    files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == link.as_str()))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn both_tables_are_read_and_a_socket_that_nobody_holds_is_nobodys() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let line = |local: &str, remote: &str, uid: u32, inode: u64| {
            format!(
                "{head}   1: {local} {remote} 01 00000000:00000000 00:00000000 00000000 {uid:5}        0 {inode} 1 0 20\n"
            )
        };
        let (peer, local) = ("127.0.0.1:49626".parse().unwrap(), "127.0.0.1:59491".parse().unwrap());
        let table = line("0100007F:C1DA", "0100007F:E863", 1000, 42259);
        let ours = |line: &Line<'_>| line.local == written(peer, false) && line.remote == written(local, false);
        assert_eq!(pick(table.as_bytes(), ours).unwrap(), Some(Peer { uid: 1000, inode: 42259 }));
        let other = line("0100007F:C1DB", "0100007F:E863", 1000, 42259);
        assert_eq!(pick(other.as_bytes(), ours).unwrap(), None);
        let mapped = "0000000000000000FFFF00000100007F";
        assert_eq!(written(peer, true), format!("{mapped}:C1DA"));
        assert_eq!(written("[::1]:80".parse().unwrap(), true), "00000000000000000000000001000000:0050");
    }

    #[test]
    fn a_connection_is_found_while_it_is_held() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let client = TcpStream::connect(local).unwrap();
        let (_served, peer) = listener.accept().unwrap();
        let own = rustix::process::getuid().as_raw();
        assert_eq!(own_uid().unwrap(), own);
        let found = find(peer, local).unwrap().unwrap();
        assert_eq!(found.uid, own);
        assert!(is_of_group(std::process::id(), found.inode));
        assert_eq!(super::listener(local.port()).unwrap().unwrap().uid, own);
        drop(client);
        // A child that another test begins meanwhile holds it too, until it runs its own program.
        let begun = std::time::Instant::now();
        while find(peer, local).unwrap().is_some() {
            assert!(begun.elapsed() < std::time::Duration::from_secs(10), "the system shows such a socket as root's");
        }
    }

    #[test]
    fn a_socket_of_a_child_is_of_its_group_and_that_of_another_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{}; sleep 60 & echo up; wait", local.port());
        let mut shell = Command::new("bash");
        shell.args(["-c", &connect]).process_group(0).stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 3]).unwrap();
        let (_served, peer) = listener.accept().unwrap();
        let inode = find(peer, local).unwrap().unwrap().inode;
        assert!(is_of_group(child.id(), inode));
        let mut other = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        assert!(!is_of_group(other.id(), inode));
        for child in [&mut child, &mut other] {
            let group = rustix::process::Pid::from_child(child);
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
            child.wait().unwrap();
        }
    }
}
