//! Who is really there: every hint is asked over TLS, and only who proves its key and greets is
//! online.
//!
//! Hints come from multicast, from rendezvous servers, from what was known yesterday, from what a person typed. What one of them
//! says about a peer never pushes out what another says; the peer is one, and where it has answered is the best guess of all.
//!
//! Who is greeted: friends and whoever was found on this network or named by address, all of them; of those whom nobody but a
//! server lists, [`MAX_LISTED`] at a time, drawn at random, so that in a large group everybody looks after others. One who does not
//! answer makes room for the next, and what only a server says makes nobody dial one place more than a few times a minute. When the
//! network of this device changes, who did not answer before is asked again at once.

mod budget;
mod lookout;
mod merge;
mod waiting;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use manyhands_core::PeerId;
use manyhands_wire::Hello;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::client::{CallError, PeerClient, RemotePeer, is_no_route};
use crate::discovery::{Discovered, HintOrigin};
use crate::own::OwnAddresses;
use lookout::Lookout;
use manyhands_identity::HandshakeError;

/// Of those whom nobody but a rendezvous server names, so many are looked after at a time.
pub const MAX_LISTED: usize = 64;
/// Somebody has come or gone.
#[derive(Clone, Debug)]
pub enum PresenceNews {
    /// It has proved its key and greeted; also when what it says of itself has changed.
    Online {
        peer: RemotePeer,
        hello: Hello,
    },
    Offline {
        id: PeerId,
    },
    /// Where this friend was, or is said to be, another device answers, and it answers nowhere else. Nothing was sent there.
    /// Holds until it is online again, which is then told anew.
    OtherKey {
        id: PeerId,
        found: PeerId,
        /// Whether it was ever there is for the shell to know: hints are anybody's.
        at: SocketAddr,
    },
    /// Somebody says that it is there, and it does not answer. Told again when the reason changes; holds until it is online, or
    /// found by nobody any more.
    Unreachable {
        id: PeerId,
        why: NoWay,
    },
    /// Who says that it is there, whether it answers or not. Empty: nobody any more.
    Found {
        id: PeerId,
        by: BTreeSet<HintOrigin>,
    },
}

/// Why somebody who is said to be there cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoWay {
    /// Packets are swallowed: a firewall there, or a network that keeps its clients apart.
    NoAnswer,
    /// The other computer refuses the port, or what listens there is no Manyhands.
    Refused,
    /// There is no way to that network from here.
    NoRoute,
    /// Another device answers there.
    OtherDevice,
    /// No address of it is known.
    NoAddress,
}

/// How often peers are greeted; the defaults are the program's.
#[derive(Clone, Copy, Debug)]
pub struct PresenceWaits {
    /// Who is online is greeted again after 15 s: names and lending change, and laptops are closed. Where many are online, the
    /// time is longer: at most five are greeted in a second.
    pub online: Duration,
    /// Who did not answer is greeted again after 5 s …
    pub retry: Duration,
    /// … doubled each time, up to 5 min, give or take a quarter.
    pub retry_max: Duration,
    /// Who is only listed in a group, and online, is greeted again after 60 s, give or take a quarter: the server tells when it
    /// leaves.
    pub listed: Duration,
}

/// The look-out; ends when it is dropped.
#[derive(Debug)]
pub struct Presence {
    _tasks: JoinSet<()>,
}

impl Default for PresenceWaits {
    fn default() -> Self {
        Self {
            online: Duration::from_secs(15),
            retry: Duration::from_secs(5),
            retry_max: Duration::from_secs(300),
            listed: Duration::from_secs(60),
        }
    }
}

impl Presence {
    /// Greets whoever `hints` tells of, and says on the channel who is there. While that is not
    /// read, only the newest state of each peer is kept back. Ends when all senders of `hints` are
    /// gone. When `own` changes, who did not answer is greeted at once.
    #[must_use]
    pub fn start(
        client: PeerClient,
        waits: PresenceWaits,
        friends: watch::Receiver<BTreeSet<PeerId>>,
        own: watch::Receiver<OwnAddresses>,
        hints: mpsc::Receiver<Discovered>,
    ) -> (Self, mpsc::Receiver<PresenceNews>) {
        let (sender, receiver) = mpsc::channel(64);
        let calls = client.turns().tell_arrivals();
        let lookout = Lookout::new(client, waits, friends, own);
        let mut tasks = JoinSet::new();
        tasks.spawn(lookout.run(hints, calls, sender));
        (Self { _tasks: tasks }, receiver)
    }
}

impl NoWay {
    fn of(error: &CallError, no_address: bool) -> Self {
        use std::io::ErrorKind as Kind;
        match error {
            _ if no_address => Self::NoAddress,
            CallError::WrongDevice { .. } => Self::OtherDevice,
            CallError::Unreachable(error) if is_no_route(error) => Self::NoRoute,
            CallError::Unreachable(HandshakeError::Failed(error)) => match error.kind() {
                Kind::TimedOut | Kind::HostUnreachable => Self::NoAnswer,
                _ => Self::Refused,
            },
            CallError::Unreachable(_) | CallError::Lost(_) => Self::NoAnswer,
            CallError::Problem(_) | CallError::Link(_) | CallError::Nonsense(_) => Self::Refused,
        }
    }
}
