//! Which addresses a download may reach: a server on the internet cannot send this program to one inside a network.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// Which addresses a name may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Any,
    /// Only those that lead everybody to the same machine.
    Public,
}

/// Resolves names as the system does, and refuses those that are out of reach.
#[derive(Clone)]
pub(super) struct Resolver {
    system: GaiResolver,
    reach: Reach,
    /// Whether an address was found that is not public.
    inside: Arc<AtomicBool>,
}

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self { system: GaiResolver::new(), reach, inside: Arc::default() }
    }

    /// Whether a name that was resolved leads inside a network.
    pub(super) fn leads_inside(&self) -> bool {
        self.inside.load(Ordering::SeqCst)
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (reach, inside, found) = (self.reach, Arc::clone(&self.inside), self.system.call(name));
        Box::pin(async move {
            let found: Vec<SocketAddr> = found.await?.collect();
            for address in &found {
                if !is_public(address.ip()) {
                    inside.store(true, Ordering::SeqCst);
                    check(reach, address.ip())?;
                }
            }
            Ok(found.into_iter())
        })
    }
}

/// Checks an address that stands in a URL itself, which nobody resolves; says whether it leads inside a network.
pub(super) fn check_literal(reach: Reach, uri: &Uri) -> io::Result<bool> {
    let host = uri.host().unwrap_or_default();
    let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() else { return Ok(false) };
    check(reach, address)?;
    Ok(!is_public(address))
}

fn check(reach: Reach, address: IpAddr) -> io::Result<()> {
    if reach == Reach::Any || is_public(address) {
        return Ok(());
    }
    Err(io::Error::other(format!("{address} is inside a network, where a server outside of it may not lead")))
}

/// Whether an address leads everybody to the same machine. Source: IANA's registries of special-purpose addresses.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let inside = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation();
    let special = matches!((a, b, c), (0 | 240.., _, _) | (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _));
    !inside && !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        // Addresses of version 4 in another form: mapped, compatible, translated, 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        [0x2001, 0xdb8, ..] | [0x64, 0xff9b, ..] => false,
        // Only this eighth is given out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_a_network_are_told_from_public_ones_in_every_form() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for public in
            ["1.1.1.1", "52.216.0.1", "172.32.0.1", "100.128.0.1", "2600:1f18::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_checked_although_nobody_resolves_it() {
        let check = |url: &str| check_literal(Reach::Public, &url.parse().unwrap());
        for inside in ["https://127.0.0.1/x", "https://[::1]:8443/x", "https://169.254.169.254/latest/meta-data"] {
            assert!(check(inside).is_err(), "{inside}");
        }
        assert!(!check("https://1.1.1.1/x").unwrap());
        assert!(!check("https://example.org/x").unwrap());
        assert!(check_literal(Reach::Any, &"http://127.0.0.1/x".parse().unwrap()).unwrap());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_it_is_resolved() {
        let name = || "localhost".parse::<Name>().unwrap();
        let mut any = Resolver::new(Reach::Any);
        assert!(any.call(name()).await.is_ok());
        assert!(any.leads_inside());
        assert!(Resolver::new(Reach::Public).call(name()).await.is_err());
    }
}
