//! Whom to ask for help with a download.

use std::fmt;
use std::str::FromStr;

use manyhands_core::PeerId;
use serde::{Deserialize, Serialize};
use url::Url;

/// Whom to ask. Written `none`, `friends`, `everyone`, or device ids with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Ask {
    #[default]
    None,
    Friends,
    /// Every peer that can be reached; what is private goes to friends only ([`Ask::may_ask`]).
    Everyone,
    /// These: naming them is the user's word that they may fetch this link.
    Peers(Vec<PeerId>),
}

impl Ask {
    /// Whether this peer may be asked to fetch this link. Strangers are not, by themselves, told of what is fetched over https or
    /// of links that may carry a secret; nobody is ever given a user name or password.
    #[must_use]
    pub fn may_ask(&self, peer: PeerId, is_friend: bool, lending: bool, url: &Url) -> bool {
        let has_login = !url.username().is_empty() || url.password().is_some();
        let is_private = url.scheme() == "https" || url.query().is_some();
        !has_login
            && match self {
                Self::None => false,
                Self::Friends => is_friend && lending && url.query().is_none(),
                Self::Everyone if is_private => is_friend && lending && url.query().is_none(),
                Self::Everyone => lending,
                Self::Peers(peers) => peers.contains(&peer),
            }
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

    #[test]
    fn strangers_are_told_of_nothing_private() {
        let peer = PeerId::from_digest([7; 32]);
        let may = |ask: &str, friend, url: &str| {
            ask.parse::<Ask>().unwrap().may_ask(peer, friend, true, &url.parse().unwrap())
        };
        let named = peer.to_string();
        assert!(may("everyone", false, "http://a.example/f"));
        assert!(!may("everyone", false, "https://a.example/f"));
        assert!(!may("everyone", false, "http://a.example/f?token=1"));
        assert!(may("everyone", true, "https://a.example/f"));
        assert!(!may("friends", false, "http://a.example/f"));
        assert!(may(&named, false, "https://a.example/f?token=1"));
        assert!(!may(&named, true, "http://me:secret@a.example/f"));
        assert!(!may("none", true, "http://a.example/f"));
        assert_eq!(named.parse::<Ask>().unwrap().to_string(), named);
        assert!("somebody".parse::<Ask>().is_err());
    }
}
