//! From a key's text to its typed field: numbers, durations, paths, addresses.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::key::Key;

/// A type that a key's field may have.
pub(super) trait Value: Sized {
    /// The value that `text` writes for the key of this name; `None` if it writes none. Ranges are the
    /// form's business.
    fn read(text: &str, name: &str) -> Option<Self>;

    /// The value of an unset key without a default; `None` if the type has no such value.
    fn unset() -> Option<Self> {
        None
    }
}

/// The field of `key` from its checked text.
pub(super) fn typed<T: Value>(key: &Key, text: Option<String>) -> T {
    let value = match text {
        Some(text) => T::read(&text, key.name),
        None => T::unset(),
    };
    value.unwrap_or_else(|| {
        unreachable!("{} was checked when it was set, and its default in a test", key.name)
    })
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Value for $number {
            fn read(text: &str, _: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+};
}
numbers!(i32, i64, u16, u64, usize, f64);

impl Value for bool {
    fn read(text: &str, _: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for String {
    fn read(text: &str, _: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// The unit is the last word of the key's name.
impl Value for Duration {
    fn read(text: &str, name: &str) -> Option<Self> {
        let number = text.parse().ok()?;
        match name.rsplit('.').next() {
            Some("ms") => Some(Self::from_millis(number)),
            Some("minutes") => number.checked_mul(60).map(Self::from_secs),
            _ => None,
        }
    }
}

/// One directory: Kafka's lists of several are refused, and so is an empty name.
impl Value for PathBuf {
    fn read(text: &str, _: &str) -> Option<Self> {
        (!text.is_empty() && !text.contains(',')).then(|| text.into())
    }
}

/// An empty text unsets what another source has set.
impl<T: Value> Value for Option<T> {
    fn read(text: &str, name: &str) -> Option<Self> {
        match text.is_empty() {
            true => Some(None),
            false => T::read(text, name).map(Some),
        }
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

/// An address to listen on: `host:port`, `[::1]:port` for IPv6. An empty host is every interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or number of the interface, without brackets.
    pub host: String,
    /// Port; 0 takes a free one.
    pub port: u16,
}

impl Value for Address {
    fn read(text: &str, _: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?,
            None if host.contains([':', '/', ' ']) => return None,
            None => host,
        };
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Where alerts are posted to: `http://host[:port][/path]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl {
    uri: hyper::Uri,
}

impl Value for WebhookUrl {
    fn read(text: &str, _: &str) -> Option<Self> {
        let uri: hyper::Uri = text.trim().parse().ok()?;
        let authority = uri.authority()?;
        let fits = uri.scheme_str() == Some("http") && !authority.as_str().contains('@');
        (fits && !authority.host().is_empty()).then_some(Self { uri })
    }
}

impl WebhookUrl {
    /// The host to connect to.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(80)
    }

    /// Host and port as they were written.
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }
}

/// One of the `listeners`: `PLAINTEXT://host:port`, or `host:port` for short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
}

impl Value for Listener {
    fn read(text: &str, name: &str) -> Option<Self> {
        let address = match text.trim().split_once("://") {
            Some((protocol, rest)) if protocol.eq_ignore_ascii_case("PLAINTEXT") => rest,
            Some(_) => return None,
            None => text,
        };
        Address::read(address, name).map(|address| Self { address })
    }
}

/// One or more, with commas between.
impl Value for Vec<Listener> {
    fn read(text: &str, name: &str) -> Option<Self> {
        text.split(',').map(|item| Listener::read(item, name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks() {
        for (text, expected) in [
            ("http://hooks:8080/a?b=c", Some(("hooks", 8080, "hooks:8080", "/a?b=c"))),
            ("http://10.0.0.1", Some(("10.0.0.1", 80, "10.0.0.1", "/"))),
            ("http://[::1]:9/x", Some(("::1", 9, "[::1]:9", "/x"))),
            ("https://hooks/", None),
            ("http://me:secret@hooks/", None),
            ("hooks:8080", None),
            ("/a", None),
            ("http://", None),
            ("", None),
        ] {
            let read = WebhookUrl::read(text, "url");
            let parts = read.as_ref().map(|url| (url.host(), url.port(), url.authority(), url.path()));
            assert_eq!(parts, expected, "{text}");
        }
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("localhost:9092", Some(("localhost", 9092))),
            ("127.0.0.1:0", Some(("127.0.0.1", 0))),
            (":9092", Some(("", 9092))),
            ("[::1]:9092", Some(("::1", 9092))),
            ("localhost", None),
            ("localhost:", None),
            ("localhost:65536", None),
            ("::1:9092", None),
            ("http://a:1", None),
        ] {
            let read = Address::read(text, "listen");
            assert_eq!(
                read.as_ref().map(|address| (address.host.as_str(), address.port)),
                expected,
                "{text}"
            );
            assert!(read.is_none_or(|address| address.to_string() == text));
        }
    }

    #[test]
    fn durations_take_their_unit_from_the_name() {
        for (text, name, seconds) in [
            ("2000", "a.ms", Some(2)),
            ("2", "a.minutes", Some(120)),
            ("-1", "a.ms", None),
            ("18446744073709551615", "a.minutes", None),
        ] {
            assert_eq!(Duration::read(text, name).map(|read| read.as_secs()), seconds, "{text} {name}");
        }
    }

    #[test]
    fn empty_texts_unset() {
        assert_eq!(Option::<Address>::read("", "listen"), Some(None));
        assert_eq!(Option::<PathBuf>::read("", "dir"), Some(None));
        assert_eq!(PathBuf::read("", "dir"), None);
        assert_eq!(PathBuf::read("a,b", "dir"), None);
    }

    #[test]
    fn listeners() {
        for (text, count) in [
            ("PLAINTEXT://localhost:9092", Some(1)),
            ("plaintext://:9092,PLAINTEXT://[::1]:9093", Some(2)),
            ("0.0.0.0:9092", Some(1)),
            ("SSL://localhost:9093", None),
            ("", None),
            ("a:1,", None),
        ] {
            assert_eq!(
                Vec::<Listener>::read(text, "listen").map(|listeners| listeners.len()),
                count,
                "{text}"
            );
        }
    }
}
