//! Invites: `manyhands://join?…`, the one place where a group's secret is written.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use url::{Host, Url};

use crate::{Digest, Label};

/// What a group is called has at most so many characters.
pub const GROUP_NAME_CHARS: usize = 40;
/// No invite is longer.
pub const MAX_INVITE_BYTES: usize = 1024;
const VERSION: &str = "1";
const MAX_SERVER_BYTES: usize = 300;
/// RFC 1035 §2.3.4, without the root's dot.
const MAX_HOST_NAME_BYTES: usize = 253;

pub type GroupName = Label<GROUP_NAME_CHARS>;

/// How a rendezvous server is reached, and which one it must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// `https://HOST:PORT`, or `http://…`; no path, no user, no query.
    url: Url,
    /// What its key must be.
    pub id: Digest,
    /// Its certificate is one of the public kind and is checked as a web site's: it stands behind a proxy, or was given a
    /// certificate. Otherwise TLS is held to its own key.
    pub public_certificate: bool,
}

/// Everything that is needed to be in a group. Whoever reads it is a member: it is shown to nobody who is not to be one, and never
/// logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    pub server: ServerAddress,
    pub secret: [u8; 16],
    pub name: GroupName,
}

/// The text is no invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteError {
    /// Not `manyhands://join?…`, or cut off.
    NotAnInvite,
    /// Made by a later version of the program.
    Version,
    /// The server's part makes no sense.
    Server,
}

impl ServerAddress {
    /// # Errors
    /// [`InviteError::Server`]: not `https://HOST[:PORT]` or `http://HOST[:PORT]`. Without a port it is
    /// [`RENDEZVOUS_PORT`](crate::RENDEZVOUS_PORT).
    pub fn new(url: &str, id: Digest, public_certificate: bool) -> Result<Self, InviteError> {
        Ok(Self { url: Self::read_url(url)?, id, public_certificate })
    }

    /// The address in the form that is compared and shown; what a person typed without the id.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn read_url(text: &str) -> Result<Url, InviteError> {
        if text.len() > MAX_SERVER_BYTES {
            return Err(InviteError::Server);
        }
        let mut url = Url::parse(text.trim()).map_err(|_| InviteError::Server)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && matches!(url.path(), "" | "/")
            && url.host().is_some_and(|host| is_plain_host(&host));
        if !plain || !matches!(url.scheme(), "https" | "http") {
            return Err(InviteError::Server);
        }
        // A port that is the scheme's own is left out by the parser; written out it is meant.
        let authority = text.trim().split_once("://").map_or("", |(_, rest)| rest);
        let explicit = authority.trim_end_matches('/').rsplit_once(':').is_some_and(|(_, port)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        if url.port().is_none() && !explicit {
            url.set_port(Some(crate::RENDEZVOUS_PORT)).map_err(|()| InviteError::Server)?;
        }
        Ok(url)
    }

    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// `https://HOST:PORT`, the port always written, since without one it would be another.
    #[must_use]
    pub fn text(&self) -> String {
        let (host, port) = (self.url.host_str(), self.url.port_or_known_default());
        format!("{}://{}:{}", self.url.scheme(), host.unwrap_or_default(), port.unwrap_or_default())
    }
}

/// An address, or a name as DNS has them: nothing that would be written in one way and read in another.
fn is_plain_host(host: &Host<&str>) -> bool {
    let Host::Domain(name) = host else { return true };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.len() <= MAX_HOST_NAME_BYTES && name.bytes().all(plain)
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("v", VERSION);
        query.append_pair("s", &self.server.text());
        query.append_pair("id", &self.server.id.to_string());
        query.append_pair("k", &BASE64URL_NOPAD.encode(&self.secret));
        if self.server.public_certificate {
            query.append_pair("ca", "1");
        }
        if !self.name.as_str().is_empty() {
            query.append_pair("n", self.name.as_str());
        }
        write!(f, "manyhands://join?{}", query.finish())
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let text = text.trim();
        if text.len() > MAX_INVITE_BYTES {
            return Err(InviteError::NotAnInvite);
        }
        let url = Url::parse(text).map_err(|_| InviteError::NotAnInvite)?;
        if url.scheme() != "manyhands" || url.host_str() != Some("join") {
            return Err(InviteError::NotAnInvite);
        }
        let field = |name: &str| {
            let mut found =
                url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value);
            // Twice the same would be read otherwise by somebody else.
            match (found.next(), found.next()) {
                (value, None) => Ok(value),
                _ => Err(InviteError::NotAnInvite),
            }
        };
        let needed = |name| field(name)?.ok_or(InviteError::NotAnInvite);
        if needed("v")? != VERSION {
            return Err(InviteError::Version);
        }
        let secret = BASE64URL_NOPAD.decode(needed("k")?.as_bytes());
        let secret = secret.ok().and_then(|secret| secret.try_into().ok());
        let id = needed("id")?.parse().map_err(|_| InviteError::Server)?;
        let public_certificate = match field("ca")?.as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err(InviteError::Server),
        };
        Ok(Self {
            server: ServerAddress::new(&needed("s")?, id, public_certificate)?,
            secret: secret.ok_or(InviteError::NotAnInvite)?,
            name: GroupName::neutralised(&field("n")?.unwrap_or_default()),
        })
    }
}

impl fmt::Debug for Invite {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Invite");
        shown.field("server", &self.server).field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for InviteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnInvite => {
                "this is no invite: it begins with manyhands://join? and is to be copied whole"
            }
            Self::Version => {
                "this invite was made by a later version of Manyhands: update this one"
            }
            Self::Server => "the server's address makes no sense: expected https://HOST:PORT",
        })
    }
}

impl std::error::Error for InviteError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(server: &str, name: &str) -> Invite {
        Invite {
            server: ServerAddress::new(server, Digest([9; 32]), false).unwrap(),
            secret: std::array::from_fn(|i| i as u8),
            name: GroupName::neutralised(name),
        }
    }

    #[test]
    fn an_invite_reads_back_what_it_writes() {
        for server in [
            "https://rendezvous.example.org",
            "https://a.example:443",
            "https://[fd00::1]:9000",
            "http://10.0.0.1",
        ] {
            for name in ["", "Dorm 7 – 北楼", "a+b&c=d"] {
                let invite = invite(server, name);
                assert_eq!(invite.to_string().parse::<Invite>(), Ok(invite));
            }
        }
    }

    #[test]
    fn the_port_is_the_servers_own_unless_it_is_written() {
        let url = |text| ServerAddress::read_url(text).map(String::from);
        assert_eq!(url("https://a.example").as_deref(), Ok("https://a.example:8470/"));
        assert_eq!(url(" https://a.example:443/ ").as_deref(), Ok("https://a.example/"));
        assert_eq!(url("http://[fd00::1]").as_deref(), Ok("http://[fd00::1]:8470/"));
        for bad in [
            "",
            "a.example",
            "ftp://a.example",
            "https://",
            "https://u@a.example",
            "https://a.example/x",
            "https://a.example?x",
            "https://a.example#x",
            "https://a.example:99999",
            "https://a=b.example",
            "https://%3D%3D.example",
        ] {
            assert_eq!(url(bad), Err(InviteError::Server), "{bad}");
        }
    }

    #[test]
    fn what_is_no_invite_is_said_to_be_none() {
        let good = invite("https://a.example", "x").to_string();
        let read = |text: &str| text.parse::<Invite>().unwrap_err();
        assert_eq!(read(""), InviteError::NotAnInvite);
        assert_eq!(read("https://a.example"), InviteError::NotAnInvite);
        assert_eq!(read(&good.replace("join", "leave")), InviteError::NotAnInvite);
        assert_eq!(read(&good.replace("v=1", "v=2")), InviteError::Version);
        assert_eq!(read(&good.replace("&k=", "&l=")), InviteError::NotAnInvite);
        assert_eq!(read(&format!("{good}&k=AAECAwQFBgcICQoLDA0ODw")), InviteError::NotAnInvite);
        assert_eq!(read(&good.replace("&id=", "&id=a")), InviteError::Server);
        assert_eq!(read(&good.replace("https", "ftp")), InviteError::Server);
        assert_eq!(
            read(&format!("{good}{}", "a".repeat(MAX_INVITE_BYTES))),
            InviteError::NotAnInvite
        );
        assert!(!format!("{:?}", good.parse::<Invite>().unwrap()).contains("AAECAw"));
    }
}
