//! The way of facts to the core, from tasks and threads.

use std::sync::Arc;

use manyhands_core::{DownloadId, HelpId, Input, PeerId};
use tokio::sync::mpsc;

use crate::network::session::Session;
use crate::writer::Part;

/// Facts that may wait for the core; those who have more wait.
const MAX_WAITING_FACTS: usize = 1024;

/// A fact for the core; some bring an open part file along.
#[derive(Debug)]
pub struct Fact {
    pub(super) input: Input,
    pub(super) part: Option<Arc<Part>>,
    pub(super) session: Option<((DownloadId, PeerId), Arc<Session>)>,
    /// The session that it is about: from one that was ended meanwhile it says nothing.
    pub(super) of: Option<((DownloadId, PeerId), HelpId)>,
}

/// The way for facts to the core.
#[derive(Clone, Debug)]
pub struct Facts(mpsc::Sender<Fact>);

impl Facts {
    pub fn channel() -> (Self, mpsc::Receiver<Fact>) {
        let (facts, received) = mpsc::channel(MAX_WAITING_FACTS);
        (Self(facts), received)
    }

    /// Waits for room. After the end of the program nobody listens, and that is fine.
    pub async fn send(&self, input: Input) {
        let _ = self.0.send(Fact { input, part: None, session: None, of: None }).await;
    }

    /// From threads.
    pub fn blocking_send(&self, input: Input) {
        let _ = self.0.blocking_send(Fact { input, part: None, session: None, of: None });
    }

    pub(super) async fn send_with_part(&self, part: Option<Part>, input: Input) {
        let _ =
            self.0.send(Fact { input, part: part.map(Arc::new), session: None, of: None }).await;
    }

    /// What became of a session.
    pub async fn send_of_session(&self, key: (DownloadId, PeerId), id: HelpId, input: Input) {
        let _ = self.0.send(Fact { input, part: None, session: None, of: Some((key, id)) }).await;
    }

    /// The answer to a help request, with the session that it opened.
    pub async fn send_with_session(
        &self,
        download: DownloadId,
        peer: PeerId,
        session: Arc<Session>,
        input: Input,
    ) {
        let session = Some(((download, peer), session));
        let _ = self.0.send(Fact { input, part: None, session, of: None }).await;
    }
}
