//! Requests to addresses that relying parties are registered with: their keys, where they hear of a logout.
//!
//! Whoever may register an address may point the service at it. So only registered addresses are called, no redirect
//! is followed, an answer has a size and a time, and nothing private is reached – the machine itself, its network,
//! a cloud's metadata – unless the configuration names the host (`oidc.private_hosts`). The check is made on the
//! address that is connected to, not on one looked up before: a name that changes its mind gains nothing.

use axum::http;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, StatusCode, redirect};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

const CONNECT: Duration = Duration::from_secs(3);
/// From connecting to the last byte.
const IN_ALL: Duration = Duration::from_secs(5);
/// The largest answer read, in bytes.
pub const MAX_ANSWER: usize = 64 << 10;

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The text is no address, or no http one.
    #[error("not an http address")]
    Address,
    /// It is private, and the configuration does not name its host.
    #[error("a private address; name its host in oidc.private_hosts if it is meant")]
    Private,
    /// The answer is not 200.
    #[error("answered {0}")]
    Status(StatusCode),
    /// The answer is longer than [`MAX_ANSWER`].
    #[error("the answer is too long")]
    TooLong,
    /// No connection, no answer in time, or it broke off.
    #[error("no answer")]
    Unreachable(#[source] reqwest::Error),
}

/// Calls registered addresses.
#[derive(Clone)]
pub struct Outbound {
    client: Client,
    private: Arc<BTreeSet<String>>,
}

impl Outbound {
    /// `private_hosts` may be reached wherever they are.
    ///
    /// # Errors
    /// TLS can't be set up.
    pub fn new(private_hosts: &[String]) -> Result<Self, reqwest::Error> {
        let private: Arc<BTreeSet<String>> = Arc::new(private_hosts.iter().map(|host| host.to_lowercase()).collect());
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            // A proxy would look names up itself, past our check.
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(IN_ALL)
            .dns_resolver(Arc::new(PublicOnly { private: Arc::clone(&private) }))
            .user_agent(concat!("matricule/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, private })
    }

    /// The body at an address.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn get(&self, address: &str) -> Result<Vec<u8>, OutboundError> {
        let answer = self.client.get(self.checked(address)?).send().await.map_err(OutboundError::Unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(OutboundError::Status(answer.status()));
        }
        body(answer).await
    }

    /// Any request; the answer, whatever its status, read to its end.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn call(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, OutboundError> {
        self.checked(&request.uri().to_string())?;
        let request = reqwest::Request::try_from(request).map_err(OutboundError::Unreachable)?;
        let answer = self.client.execute(request).await.map_err(OutboundError::Unreachable)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut read = http::Response::new(body(answer).await?);
        (*read.status_mut(), *read.headers_mut()) = (status, headers);
        Ok(read)
    }

    /// Posts a form; the status of the answer. Its body is not read.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub async fn post(&self, address: &str, fields: &[(&str, &str)]) -> Result<StatusCode, OutboundError> {
        let request = self.client.post(self.checked(address)?).form(fields);
        Ok(request.send().await.map_err(OutboundError::Unreachable)?.status())
    }

    /// A literal address never passes the resolver: it is checked here.
    fn checked(&self, address: &str) -> Result<Url, OutboundError> {
        let url = Url::parse(address).map_err(|_| OutboundError::Address)?;
        if !["http", "https"].contains(&url.scheme()) || !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::Address);
        }
        let ip = match url.host().ok_or(OutboundError::Address)? {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        };
        let named = url.host_str().is_some_and(|host| self.private.contains(host));
        if ip.is_some_and(|ip| !is_public(ip)) && !named {
            return Err(OutboundError::Private);
        }
        Ok(url)
    }
}

async fn body(mut answer: Response) -> Result<Vec<u8>, OutboundError> {
    let mut read = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(OutboundError::Unreachable)? {
        if read.len() + chunk.len() > MAX_ANSWER {
            return Err(OutboundError::TooLong);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// The system's resolver, without the private addresses it finds.
struct PublicOnly {
    private: Arc<BTreeSet<String>>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let named = self.private.contains(&name.as_str().to_lowercase());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<_> = found.filter(|address| named || is_public(address.ip())).collect();
            if found.is_empty() {
                return Err(Box::new(OutboundError::Private).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet (IANA's special-purpose registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || a >= 224 // multicast, reserved, broadcast
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))) // benchmarks
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    // Of all of IPv6 only 2000::/3 is global unicast; in it tunnels carry IPv4 addresses, and 2001::/23 is special.
    let [a, b, ..] = ip.segments();
    (0x2000..0x4000).contains(&a) && a != 0x2002 && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every connection with the same bytes; counts them.
    async fn server(answer: Vec<u8>) -> (String, Arc<std::sync::atomic::AtomicU32>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/keys", listener.local_addr().unwrap());
        let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
            }
        });
        (address, count)
    }

    fn ok(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[tokio::test]
    async fn point_26_private_addresses_are_reached_only_where_configured() {
        let (address, connections) = server(ok("{}")).await;
        let strict = Outbound::new(&[]).unwrap();
        let by_name = address.replace("127.0.0.1", "localhost");
        for private in [address.as_str(), &by_name, "http://169.254.169.254/latest", "http://[::1]/", "http://0x7f.1/"]
        {
            assert!(strict.get(private).await.is_err(), "{private}");
            assert!(strict.post(private, &[]).await.is_err(), "{private}");
        }
        assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 0, "not even a connection");
        let named = Outbound::new(&["127.0.0.1".to_owned()]).unwrap();
        assert_eq!(named.get(&address).await.unwrap(), b"{}");
        assert!(named.get(&by_name).await.is_err(), "the host as written is what is named");
        for none in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://user@127.0.0.1/", "nothing", ""] {
            assert!(matches!(named.get(none).await, Err(OutboundError::Address)), "{none}");
        }
    }

    #[tokio::test]
    async fn point_26_no_redirect_is_followed_and_an_answer_has_a_size() {
        let named = Outbound::new(&["127.0.0.1".to_owned()]).unwrap();
        let (inner, connections) = server(ok("secret")).await;
        let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {inner}\r\nContent-Length: 0\r\n\r\n");
        let (outer, _) = server(redirect.into_bytes()).await;
        assert!(matches!(named.get(&outer).await, Err(OutboundError::Status(StatusCode::FOUND))));
        assert_eq!(named.post(&outer, &[]).await.unwrap(), StatusCode::FOUND);
        assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 0);
        let (long, _) = server(ok(&"x".repeat(MAX_ANSWER + 1))).await;
        assert!(matches!(named.get(&long).await, Err(OutboundError::TooLong)));
        let (endless, _) = server(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MAX_ANSWER * 2)).into_bytes()).await;
        assert!(named.get(&endless).await.is_err());
    }

    #[test]
    fn point_26_what_is_private_is_known_in_every_form() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "192.0.66.1", "100.128.0.1", "2606:4700::1111", "2a01:e0a::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }
}
