//! What a handler is told about who asks.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};

/// Headers that proxies write. A client's own are removed: it could claim to be anybody.
const SPOOFABLE: [HeaderName; 6] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// Writes the client's address and the scheme where handlers look for them.
pub(super) fn set_forwarded(headers: &mut HeaderMap, peer: SocketAddr, scheme: &'static str) {
    for name in SPOOFABLE {
        headers.remove(name);
    }
    let ip = peer.ip().to_canonical();
    let node = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    let mut set = |name, value: String| {
        // Addresses and schemes are made of visible ASCII.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set(FORWARDED, format!("for={node};proto={scheme}"));
    set(HeaderName::from_static("x-forwarded-for"), ip.to_string());
    set(HeaderName::from_static("x-forwarded-proto"), scheme.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_not_say_who_it_is() {
        for (peer, forwarded, plain) in [
            ("192.0.2.7:99", "for=192.0.2.7;proto=http", "192.0.2.7"),
            ("[2001:db8::1]:99", "for=\"[2001:db8::1]\";proto=http", "2001:db8::1"),
            ("[::ffff:192.0.2.7]:99", "for=192.0.2.7;proto=http", "192.0.2.7"),
        ] {
            let mut headers = HeaderMap::new();
            for name in SPOOFABLE {
                headers.append(name.clone(), HeaderValue::from_static("127.0.0.1"));
                headers.append(name, HeaderValue::from_static("10.0.0.1"));
            }
            set_forwarded(&mut headers, peer.parse().unwrap(), "http");
            assert_eq!(headers.len(), 3);
            assert_eq!(headers[FORWARDED], forwarded);
            assert_eq!(headers["x-forwarded-for"], plain);
            assert_eq!(headers["x-forwarded-proto"], "http");
        }
    }
}
