//! Whom to ask for help with a download, and how each may help.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::HelpMode;
use crate::{DownloadSpec, PeerId};

/// Whom to ask. Written `none`, `friends`, `everyone`, or device ids with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Ask {
    #[default]
    None,
    Friends,
    /// Every peer that can be reached; how far the trust goes is settled by [`AskTerms::mode_for`].
    Everyone,
    /// These: naming them is the user's word for what they may fetch.
    Peers(Vec<PeerId>),
}

/// In which mode others may help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModeWish {
    /// Relay mode for https, fetch mode for what is neither secret nor authenticated anyway.
    #[default]
    Auto,
    Relay,
    Fetch,
}

/// What the user wants of others for one download.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskTerms {
    pub ask: Ask,
    pub mode: ModeWish,
    /// Strangers, too, may fetch what nothing vouches for: plain http or ftp without a known digest.
    pub unverified: bool,
}

/// What of a link matters for who may help with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    https: bool,
    /// TLS names the server, so that a relay can see where its tunnel leads.
    relayable: bool,
    /// It has a query, which may be a secret.
    query: bool,
    /// A user name, a password or headers belong to it.
    login: bool,
    digest: bool,
}

/// A peer that could be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedPeer {
    pub peer: PeerId,
    pub friend: bool,
    /// It says that requests are welcome.
    pub lending: bool,
    /// It can carry connections.
    pub relays: bool,
}

impl LinkFacts {
    #[must_use]
    pub fn of(spec: &DownloadSpec) -> Self {
        let url = &spec.url;
        Self {
            https: url.scheme() == "https",
            relayable: is_relayable(url),
            query: url.query().is_some(),
            login: !url.username().is_empty()
                || url.password().is_some()
                || !spec.headers.is_empty(),
            digest: spec.sha256.is_some(),
        }
    }
}

/// Whether a connection to this server can be carried by somebody who must see where it leads.
#[must_use]
pub fn is_relayable(url: &Url) -> bool {
    url.scheme() == "https" && matches!(url.host(), Some(Host::Domain(_)))
}

impl AskTerms {
    /// How this peer may be asked to help with this link; `None`: not at all.
    ///
    /// - A relay learns the servers, the size and, as a friend, the name, neither link nor content: everybody who is to be asked may be one. With a login only friends,
    ///   and who was named.
    /// - Who fetches learns the link, and what it sends is not authenticated. A link with a login goes to nobody, one with a
    ///   query only to peers that were named, in so many words. Over https only friends and named peers fetch, where they
    ///   cannot relay and the digest is known, or where fetching was asked for. What is plain http or ftp, strangers may fetch
    ///   when its digest is known or the user has said so.
    #[must_use]
    pub fn mode_for(&self, link: LinkFacts, peer: AskedPeer) -> Option<HelpMode> {
        let named = self.ask.names(peer.peer);
        let asked = match &self.ask {
            Ask::None => false,
            Ask::Friends => peer.friend && peer.lending,
            Ask::Everyone => peer.lending,
            Ask::Peers(_) => named,
        };
        let known = peer.friend || named;
        let relay = link.relayable && peer.relays && (known || !link.login);
        let public = !link.login && !link.query;
        let fetch = match self.mode {
            ModeWish::Relay => false,
            _ if !link.https => public && (known || link.digest || self.unverified),
            ModeWish::Auto => public && known && link.digest,
            ModeWish::Fetch => public && known,
        };
        let fetch = fetch || (self.mode == ModeWish::Fetch && named && !link.login);
        match self.mode {
            _ if !asked => None,
            ModeWish::Auto | ModeWish::Relay if relay => Some(HelpMode::Relay),
            _ if fetch => Some(HelpMode::Fetch),
            _ => None,
        }
    }
}

/// How a peer could be asked for help with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// How it would help when the user names it and says no more; `None`: only where one way is asked for in so many words.
    pub mode: Option<HelpMode>,
    /// Whether it could help where only carrying the connection is wanted …
    pub relays: bool,
    /// … and where only fetching is.
    pub fetches: bool,
    /// Whether it would be asked by itself where everyone is to be asked.
    pub proposed: bool,
}

impl Candidacy {
    /// `None`: it cannot be asked, not even by its name.
    #[must_use]
    pub fn of(link: LinkFacts, peer: AskedPeer) -> Option<Self> {
        // Naming it is the user's word, whether it lends or not.
        let named = AskTerms { ask: Ask::Peers(vec![peer.peer]), ..AskTerms::default() };
        let can = |mode| AskTerms { mode, ..named.clone() }.mode_for(link, peer).is_some();
        let everyone = AskTerms { ask: Ask::Everyone, ..AskTerms::default() };
        let candidacy = Self {
            mode: named.mode_for(link, peer),
            relays: can(ModeWish::Relay),
            fetches: can(ModeWish::Fetch),
            proposed: everyone.mode_for(link, peer).is_some(),
        };
        let Self { mode, relays, fetches, .. } = candidacy;
        (mode.is_some() || relays || fetches).then_some(candidacy)
    }
}

impl Ask {
    /// Whether the user has named this very peer.
    #[must_use]
    pub fn names(&self, peer: PeerId) -> bool {
        matches!(self, Self::Peers(peers) if peers.contains(&peer))
    }
}

/// The text names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither none, friends, everyone nor a list of device ids")]
pub struct AskError(String);

impl FromStr for Ask {
    type Err = AskError;

    fn from_str(text: &str) -> Result<Self, AskError> {
        match text.trim() {
            "none" | "" => Ok(Self::None),
            "friends" => Ok(Self::Friends),
            "everyone" => Ok(Self::Everyone),
            ids => {
                let ids: Result<_, _> = ids.split(',').map(|id| id.trim().parse()).collect();
                ids.map(Self::Peers).map_err(|_| AskError(text.to_owned()))
            }
        }
    }
}

impl TryFrom<String> for Ask {
    type Error = AskError;

    fn try_from(text: String) -> Result<Self, AskError> {
        text.parse()
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Friends => f.write_str("friends"),
            Self::Everyone => f.write_str("everyone"),
            Self::Peers(peers) => {
                let ids: Vec<_> = peers.iter().map(ToString::to_string).collect();
                f.write_str(&ids.join(","))
            }
        }
    }
}

impl From<Ask> for String {
    fn from(ask: Ask) -> Self {
        ask.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeaderField, Sha256Digest};

    const HTTP: &str = "http://a.example/f";
    const HTTPS: &str = "https://a.example/f";
    const SECRET: &str = "https://a.example/f?token=1";
    const LOGIN: &str = "https://me:secret@a.example/f";

    fn peer(friend: bool, relays: bool) -> AskedPeer {
        AskedPeer { peer: PeerId::from_digest([7; 32]), friend, lending: true, relays }
    }

    fn spec(url: &str) -> DownloadSpec {
        DownloadSpec {
            url: url.parse().unwrap(),
            dir: "/d".into(),
            out: None,
            sha256: None,
            headers: Vec::new(),
            max_connections: 8,
        }
    }

    fn mode(ask: &str, mode: ModeWish, url: &str, peer: AskedPeer) -> Option<HelpMode> {
        let terms = AskTerms { ask: ask.parse().unwrap(), mode, unverified: false };
        terms.mode_for(LinkFacts::of(&spec(url)), peer)
    }

    #[test]
    fn who_may_only_be_named_is_offered_and_not_proposed() {
        let of = |url: &str, peer| Candidacy::of(LinkFacts::of(&spec(url)), peer);
        let some = |mode, [relays, fetches, proposed]: [bool; 3]| {
            Some(Candidacy { mode: Some(mode), relays, fetches, proposed })
        };
        let (stranger, friend) = (peer(false, true), peer(true, true));
        assert_eq!(of(HTTPS, stranger), some(HelpMode::Relay, [true, true, true]));
        assert_eq!(of(HTTP, friend), some(HelpMode::Fetch, [false, true, true]));
        let learns = some(HelpMode::Fetch, [false, true, false]);
        assert_eq!(of(HTTP, stranger), learns, "it would learn the link");
        let silent = AskedPeer { lending: false, ..friend };
        let quiet = some(HelpMode::Relay, [true, true, false]);
        assert_eq!(of(HTTPS, silent), quiet, "it does not lend");
        assert_eq!(of(LOGIN, peer(true, false)), None, "a login goes to nobody");
        let carries = some(HelpMode::Relay, [true, false, true]);
        assert_eq!(of(LOGIN, friend), carries, "and is fetched by nobody");
    }

    #[test]
    fn who_helps_in_so_many_words_only_is_offered_for_that() {
        let of = |url: &str, peer| Candidacy::of(LinkFacts::of(&spec(url)), peer);
        let fetch = Candidacy { mode: None, relays: false, fetches: true, proposed: false };
        for who in [peer(true, true), peer(false, true)] {
            assert_eq!(of("http://a.example/f?token=1", who), Some(fetch), "the query is told");
        }
        assert_eq!(of(HTTPS, peer(true, false)), Some(fetch), "nothing vouches for what it sends");
        assert_eq!(of("ftp://me:pw@a.example/f", peer(true, true)), None);
    }

    #[test]
    fn what_is_fetched_over_https_is_carried_by_everybody_and_fetched_by_nobody() {
        let (stranger, friend) = (peer(false, true), peer(true, true));
        for url in [HTTPS, SECRET] {
            for who in [stranger, friend] {
                assert_eq!(mode("everyone", ModeWish::Auto, url, who), Some(HelpMode::Relay));
                assert_eq!(mode("everyone", ModeWish::Relay, url, who), Some(HelpMode::Relay));
            }
        }
        assert_eq!(mode("friends", ModeWish::Auto, HTTPS, stranger), None);
        assert_eq!(mode("none", ModeWish::Auto, HTTPS, friend), None);
        let old = peer(true, false);
        assert_eq!(mode("everyone", ModeWish::Auto, HTTPS, old), None, "it cannot relay");
        let lending = AskedPeer { lending: false, ..friend };
        assert_eq!(mode("everyone", ModeWish::Auto, HTTPS, lending), None);
    }

    #[test]
    fn a_login_is_carried_by_friends_and_fetched_by_nobody() {
        let named = peer(false, true).peer.to_string();
        for (ask, who, expected) in [
            ("everyone", peer(false, true), None),
            ("everyone", peer(true, true), Some(HelpMode::Relay)),
            (&*named, peer(false, true), Some(HelpMode::Relay)),
        ] {
            assert_eq!(mode(ask, ModeWish::Auto, LOGIN, who), expected);
            assert_eq!(mode(ask, ModeWish::Fetch, LOGIN, who), None);
            assert_eq!(mode(ask, ModeWish::Fetch, "ftp://me:pw@a.example/f", who), None);
            let mut cookie = spec(HTTPS);
            let (name, value) = ("cookie".into(), "a=b".into());
            cookie.headers.push(HeaderField { name, value });
            let terms = AskTerms { ask: ask.parse().unwrap(), ..AskTerms::default() };
            assert_eq!(terms.mode_for(LinkFacts::of(&cookie), who), expected);
        }
    }

    #[test]
    fn by_itself_no_link_with_a_query_is_given_away() {
        let query = "http://a.example/f?token=1";
        let named = peer(true, true).peer.to_string();
        assert_eq!(mode("everyone", ModeWish::Auto, query, peer(true, true)), None);
        assert_eq!(mode(&named, ModeWish::Auto, query, peer(true, true)), None);
        assert_eq!(mode("friends", ModeWish::Fetch, query, peer(true, true)), None);
        let told = mode(&named, ModeWish::Fetch, query, peer(false, true));
        assert_eq!(told, Some(HelpMode::Fetch), "in so many words");
        let told = mode(&named, ModeWish::Fetch, SECRET, peer(false, true));
        assert_eq!(told, Some(HelpMode::Fetch));
    }

    #[test]
    fn strangers_fetch_what_a_digest_proves_or_what_the_user_allows() {
        let stranger = peer(false, true);
        assert_eq!(mode("everyone", ModeWish::Auto, HTTP, peer(true, true)), Some(HelpMode::Fetch));
        assert_eq!(mode("everyone", ModeWish::Auto, HTTP, stranger), None);
        let mut proved = spec(HTTP);
        proved.sha256 = Some(Sha256Digest([1; 32]));
        let mut terms = AskTerms { ask: Ask::Everyone, ..AskTerms::default() };
        assert_eq!(terms.mode_for(LinkFacts::of(&proved), stranger), Some(HelpMode::Fetch));
        terms.unverified = true;
        assert_eq!(terms.mode_for(LinkFacts::of(&spec(HTTP)), stranger), Some(HelpMode::Fetch));
        assert_eq!(mode("everyone", ModeWish::Relay, HTTP, stranger), None, "nothing to carry");
        let named = stranger.peer.to_string();
        assert_eq!(mode(&named, ModeWish::Auto, HTTP, stranger), Some(HelpMode::Fetch));
    }

    #[test]
    fn a_known_digest_lets_friends_fetch_where_they_cannot_relay() {
        let mut proved = spec(HTTPS);
        proved.sha256 = Some(Sha256Digest([1; 32]));
        let terms = AskTerms { ask: Ask::Everyone, ..AskTerms::default() };
        let mode = |peer| terms.mode_for(LinkFacts::of(&proved), peer);
        assert_eq!(mode(peer(true, false)), Some(HelpMode::Fetch));
        assert_eq!(mode(peer(false, false)), None);
        assert_eq!(mode(peer(true, true)), Some(HelpMode::Relay));
    }

    #[test]
    fn a_server_without_a_name_cannot_be_relayed_to() {
        assert!(is_relayable(&HTTPS.parse().unwrap()));
        for url in ["https://192.0.2.7/f", "https://[2001:db8::1]/f", HTTP, "ftp://a.example/f"] {
            assert!(!is_relayable(&url.parse().unwrap()), "{url}");
        }
        assert_eq!(mode("everyone", ModeWish::Auto, "https://192.0.2.7/f", peer(true, true)), None);
    }

    #[test]
    fn whom_to_ask_is_written_as_it_is_read() {
        let named = peer(false, true).peer.to_string();
        assert_eq!(named.parse::<Ask>().unwrap().to_string(), named);
        assert!("somebody".parse::<Ask>().is_err());
    }
}
