//! What front ends see of other devices.

use std::collections::BTreeMap;
use std::time::Duration;

use manyhands_core::{
    Brings, Candidacy, Core, DownloadId, HelpAsk, HelpId, HelpMode, LentSession, LinkFacts, Meter,
    Now, PeerId, PeerPlace, Standing,
};
use manyhands_peer::help_mode;
use manyhands_peer::wire::OriginName;
use url::Url;

use crate::network::Network;
use crate::present::help_state;
use crate::profile::{blocked_rows, rule_rows};
use crate::view::{
    BlockedRow, Candidate, HelpingRow, PeerRow, RequestRow, RuleRow, Terms, Together,
};

/// Peers of a view at most.
const MAX_PEERS: u32 = 500;
/// Peers that one download may be offered at most.
const MAX_CANDIDATES: usize = 100;

impl Network {
    /// Everything about others at once, with so many peers at most, and with the members of groups or without.
    #[must_use]
    pub fn together(&self, core: &Core, peers: u32, members: bool, now: Duration) -> Together {
        let mut rows = self.peers(core, now);
        let online = rows.iter().filter(|row| row.online).count();
        rows.truncate(peers.min(MAX_PEERS) as usize);
        let rate = |meter: &Meter| meter.rate(now).unwrap_or(0.0);
        Together {
            device: self.id.to_string(),
            name: self.name.as_str().to_owned(),
            port: self.server.port(),
            lending: self.lending,
            online: u32::try_from(online).unwrap_or(u32::MAX),
            peers: rows,
            requests: self.requests(now),
            helping: self.helping(now),
            lent_bytes_per_s: self.lent.values().map(rate).sum::<f64>() as u64,
            lent_today_bytes: self.desk.lent_today().map_or(0, |today| today.bytes),
            never_hosts: self.desk.never_hosts().to_vec(),
            rules: self.rules(),
            blocked: blocked_rows(&self.blocked),
            pairings: self.pairings(),
            meeting: self.finding.meeting(),
            groups: self.group_rows(now, members),
        }
    }

    fn rules(&self) -> Vec<RuleRow> {
        rule_rows(
            &self.friends,
            |friend| self.name_of(friend.id),
            |peer| self.desk.lent_today_to(peer),
        )
    }

    /// On what terms this device helps, and whom.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let strangers = self.online.keys().filter(|id| !self.is_friend(**id));
        let known = self.friends.keys().chain(strangers).filter(|id| !self.is_blocked(**id));
        let device = |id: &PeerId| BlockedRow { peer: id.to_string(), name: self.name_of(*id) };
        let blocked = blocked_rows(&self.blocked);
        Terms {
            lending: self.lending,
            lent_today_bytes: self.desk.lent_today().map_or(0, |today| today.bytes),
            never_hosts: self.desk.never_hosts().to_vec(),
            rules: self.rules(),
            devices: known.map(device).chain(blocked.iter().cloned()).collect(),
            blocked,
        }
    }

    /// Everybody who is online, and the friends who are not, but nobody who is blocked; see [`Together::peers`] for their
    /// order.
    #[must_use]
    pub fn peers(&self, core: &Core, now: Duration) -> Vec<PeerRow> {
        let brings = core.brings(now);
        let friends = self.friends.keys().filter(|id| !self.online.contains_key(id));
        let mut rows: Vec<_> = self
            .online
            .keys()
            .chain(friends)
            .filter(|id| !self.is_blocked(**id))
            .map(|id| (*id, self.peer(*id, brings.get(id).copied().unwrap_or_default())))
            .collect();
        rows.sort_by_cached_key(|(id, row)| {
            PeerPlace::new(row.helps_with > 0, row.online, row.friend, &row.name, *id)
        });
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// As [`Self::peers`], and then the members of groups who are listed and cannot be reached.
    #[must_use]
    pub fn everybody(&self, core: &Core, now: Duration) -> Vec<PeerRow> {
        let mut rows = self.peers(core, now);
        let mut unreachable: Vec<_> = self
            .unreachable_members()
            .into_iter()
            .map(|(id, name)| {
                let row = self.peer(id, Brings::default());
                PeerRow { name: if name.is_empty() { row.name } else { name }, ..row }
            })
            .collect();
        unreachable.sort_by_cached_key(|row| (row.name.to_lowercase(), row.peer.clone()));
        rows.extend(unreachable);
        rows
    }

    fn peer(&self, id: PeerId, brings: Brings) -> PeerRow {
        let online = self.online.get(&id);
        let addresses = online.map(|online| online.remote.addresses()).unwrap_or_default();
        PeerRow {
            peer: id.to_string(),
            name: self.name_of(id),
            online: online.is_some(),
            friend: self.is_friend(id),
            paired: self.friends.get(&id).is_some_and(|friend| friend.paired),
            other_key: self.is_friend(id) && self.other_keys.contains_key(&id),
            lending: online.is_some_and(|online| online.hello.lending),
            reached: self.reached_at(id).map(|address| address.to_string()),
            called: self.has_called(id),
            addresses: addresses.iter().map(ToString::to_string).collect(),
            found: self.found_by(id),
            no_way: self.no_way_to(id),
            helps_with: brings.downloads,
            bytes_per_s: brings.bytes_per_s,
        }
    }

    /// Who could be asked for help with a download.
    #[must_use]
    pub fn candidates(&self, core: &Core, download: DownloadId, now: Now) -> Vec<Candidate> {
        let Some(record) = core.record(download) else { return Vec::new() };
        let link = LinkFacts::of(&record.spec);
        let states: BTreeMap<_, _> =
            core.help(download).into_iter().map(|(peer, _, state)| (peer, state)).collect();
        let candidate = |(id, row): (PeerId, PeerRow)| {
            let can = Candidacy::of(link, self.asked_peer(id)?)?;
            Some(Candidate {
                relays: can.relays,
                fetches: can.fetches,
                proposed: can.proposed,
                mode: can.mode,
                state: states.get(&id).map(help_state),
                peer: row.peer,
                name: row.name,
                friend: row.friend,
                lending: row.lending,
            })
        };
        self.peers(core, now.monotonic)
            .into_iter()
            .filter(|row| row.online)
            .filter_map(|row| Some((row.peer.parse::<PeerId>().ok()?, row)))
            .filter(|(id, _)| core.may_ask_help(download, *id, now))
            .filter_map(candidate)
            .take(MAX_CANDIDATES)
            .collect()
    }

    /// The requests that wait for the user, friends' first.
    #[must_use]
    pub fn requests(&self, now: Duration) -> Vec<RequestRow> {
        let row = |(ask, expires): (&HelpAsk, Duration)| {
            let waiting = self.waiting.get(&ask.id)?;
            let request = &waiting.request;
            Some(RequestRow {
                id: ask.id.to_string(),
                peer: ask.from.to_string(),
                name: request.name.as_str().to_owned(),
                friend: ask.standing == Standing::Friend,
                mode: help_mode(request.mode),
                origins: request.origins.iter().map(origin_text).collect(),
                file_name: request.file_name.as_ref().map(|name| name.as_str().to_owned()),
                size_bytes: request.size_bytes,
                budget_bytes: self.desk.most_bytes(ask),
                expires_in_s: expires.saturating_sub(now).as_secs(),
                offer_block: self.desk.is_nuisance(ask.from),
            })
        };
        self.desk.prompts().into_iter().filter_map(row).collect()
    }

    /// The sessions in which this device helps.
    #[must_use]
    pub fn helping(&self, now: Duration) -> Vec<HelpingRow> {
        let lent = self.server.lent();
        let sent =
            |id: HelpId| lent.iter().find(|lent| lent.id == id).map_or(0, |lent| lent.sent_bytes);
        let row = |(id, session): (HelpId, &LentSession)| {
            let request = self.waiting.get(&id).map(|waiting| &waiting.request);
            let name = request.map(|request| request.name.as_str()).filter(|name| !name.is_empty());
            HelpingRow {
                id: id.to_string(),
                peer: session.peer.to_string(),
                mode: request.map_or(HelpMode::Fetch, |request| help_mode(request.mode)),
                name: name.map_or_else(|| self.name_of(session.peer), str::to_owned),
                origins: request
                    .map(|request| request.origins.iter().map(origin_text).collect())
                    .unwrap_or_default(),
                file_name: request
                    .and_then(|request| request.file_name.as_ref())
                    .map(|name| name.as_str().to_owned()),
                size_bytes: request.and_then(|request| request.size_bytes),
                budget_bytes: session.budget_bytes,
                sent_bytes: sent(id),
                bytes_per_s: self.lent.get(&id).and_then(|meter| meter.rate(now)).unwrap_or(0.0)
                    as u64,
            }
        };
        self.desk.sessions().map(row).collect()
    }
}

/// `https://example.org`, with the port where it is not the scheme's.
fn origin_text(origin: &OriginName) -> String {
    let url = origin_url(origin);
    url.map_or_else(
        || origin.host().to_owned(),
        |url| url.as_str().trim_end_matches('/').to_owned(),
    )
}

/// The root of an origin.
pub fn origin_url(origin: &OriginName) -> Option<Url> {
    Url::parse(&format!("{}://{}:{}/", origin.scheme().as_str(), origin.host(), origin.port())).ok()
}
