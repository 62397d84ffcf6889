use manyhands_identity::{DeviceIdentity, GroupSecret, sign_record};
use manyhands_wire::{Blob, Digest, List, MAX_RECORD_TTL_S, RECORD_VERSION, Text};

use super::*;

const NOW: u64 = 1_800_000_000;

struct Device {
    identity: DeviceIdentity,
    key: Arc<GroupKey>,
}

impl Device {
    fn new(key: &Arc<GroupKey>) -> Self {
        Self { identity: DeviceIdentity::generate().unwrap(), key: key.clone() }
    }

    fn id(&self) -> PeerId {
        self.identity.id()
    }

    fn record(&self, seq: u64, addresses: &[&str]) -> PresenceRecord {
        PresenceRecord {
            v: RECORD_VERSION,
            id: Digest(*self.id().as_bytes()),
            group: Digest(*self.key.id().as_bytes()),
            seq,
            issued_at_s: NOW,
            ttl_s: MAX_RECORD_TTL_S,
            addresses: List::new(addresses.iter().map(|a| a.parse().unwrap()).collect()).unwrap(),
            features: List::default(),
            name: Blob::new(self.key.seal(self.id(), "Ana \u{202e}<b>")).unwrap(),
        }
    }

    fn signed(&self, record: &PresenceRecord) -> RendezvousEvent {
        RendezvousEvent::Present { record: sign_record(&self.identity, record).unwrap() }
    }

    fn says(&self, seq: u64, addresses: &[&str]) -> RendezvousEvent {
        self.signed(&self.record(seq, addresses))
    }

    fn gone(&self) -> RendezvousEvent {
        let (group, id) = (Digest(*self.key.id().as_bytes()), Digest(*self.id().as_bytes()));
        RendezvousEvent::Gone { group, id }
    }

    fn seen(&self, addresses: &[&str]) -> Discovered {
        let origin = HintOrigin::Group(self.key.id());
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        Discovered::PeerSeen { id: self.id(), origin, addresses }
    }
}

fn group() -> Arc<GroupKey> {
    Arc::new(GroupKey::new(&GroupSecret::generate()))
}

fn listed(groups: &[Arc<GroupKey>]) -> Listed {
    let mut listed = Listed::new(PeerId::from_digest([0; 32]), false, Duration::from_secs(45));
    listed.set_groups(groups);
    listed
}

fn hear(listed: &mut Listed, event: &RendezvousEvent) -> Heard {
    listed.hear(event, NOW, Instant::now())
}

fn news(listed: &mut Listed) -> Vec<Discovered> {
    std::iter::from_fn(|| listed.next_news()).collect()
}

#[test]
fn a_member_is_told_when_it_comes_moves_and_goes() {
    let key = group();
    let (mut listed, ana) = (listed(std::slice::from_ref(&key)), Device::new(&key));
    assert_eq!(
        hear(&mut listed, &ana.says(1, &["10.0.0.2:4000"])),
        Heard::Changed(key.id(), ana.id())
    );
    assert_eq!(news(&mut listed), [ana.seen(&["10.0.0.2:4000"])]);
    let member = listed.member(key.id(), ana.id()).unwrap();
    assert_eq!(member.name.as_str(), "Ana ‹b›", "neutralised");
    assert_eq!(hear(&mut listed, &ana.says(2, &["10.0.0.2:4000"])), Heard::Nothing, "a renewal");
    hear(&mut listed, &ana.says(3, &["10.0.0.3:4000"]));
    assert_eq!(news(&mut listed), [ana.seen(&["10.0.0.3:4000"])]);
    hear(&mut listed, &ana.gone());
    let origin = HintOrigin::Group(key.id());
    assert_eq!(news(&mut listed), [Discovered::PeerGone { id: ana.id(), origin }]);
    assert_eq!(hear(&mut listed, &ana.gone()), Heard::Nothing);
}

#[test]
fn forged_altered_expired_and_foreign_records_change_nothing() {
    let (key, other) = (group(), group());
    let (mut listed, ana, eve) =
        (listed(std::slice::from_ref(&key)), Device::new(&key), Device::new(&key));
    let forged = sign_record(&eve.identity, &ana.record(1, &["10.6.6.6:4000"])).unwrap();
    let mut altered = sign_record(&ana.identity, &ana.record(1, &["10.0.0.2:4000"])).unwrap();
    altered.payload = Text::new(altered.payload.as_str().replace("10.0.0.2", "10.6.6.6")).unwrap();
    let old = PresenceRecord { issued_at_s: NOW - 1000, ..ana.record(1, &["10.0.0.2:4000"]) };
    let new = PresenceRecord { issued_at_s: NOW + 1000, ..ana.record(1, &["10.0.0.2:4000"]) };
    let elsewhere = Device { key: other, identity: DeviceIdentity::generate().unwrap() };
    for event in [
        RendezvousEvent::Present { record: forged },
        RendezvousEvent::Present { record: altered },
        ana.signed(&old),
        ana.signed(&new),
        elsewhere.says(1, &["10.0.0.2:4000"]),
        elsewhere.gone(),
    ] {
        assert_eq!(hear(&mut listed, &event), Heard::Nothing, "{event:?}");
    }
    assert_eq!(news(&mut listed), []);
    assert!(!listed.has_news());
}

#[test]
fn who_does_not_know_the_groups_secret_is_nobody() {
    let (key, other) = (group(), group());
    let (mut listed, eve) = (listed(std::slice::from_ref(&key)), Device::new(&key));
    let good = eve.record(1, &["10.6.6.6:4000"]);
    let of_another = Blob::new(key.seal(PeerId::from_digest([9; 32]), "Eve")).unwrap();
    let of_another_group = Blob::new(other.seal(eve.id(), "Eve")).unwrap();
    for name in [Blob::default(), Blob::new(vec![7; 40]).unwrap(), of_another, of_another_group] {
        let event = eve.signed(&PresenceRecord { name, ..good.clone() });
        assert_eq!(hear(&mut listed, &event), Heard::Nothing);
    }
    assert_eq!(news(&mut listed), []);
    assert!(listed.groups[&key.id()].entries.is_empty(), "nothing is remembered of it either");
    assert_eq!(hear(&mut listed, &eve.signed(&good)), Heard::Changed(key.id(), eve.id()));
}

#[test]
fn an_old_record_brings_nobody_back_to_where_it_was() {
    let key = group();
    let (mut listed, ana) = (listed(std::slice::from_ref(&key)), Device::new(&key));
    let old = ana.says(5, &["10.6.6.6:4000"]);
    hear(&mut listed, &old);
    hear(&mut listed, &ana.says(6, &["10.0.0.2:4000"]));
    assert_eq!(hear(&mut listed, &old), Heard::Nothing);
    hear(&mut listed, &ana.gone());
    news(&mut listed);
    assert_eq!(hear(&mut listed, &old), Heard::Nothing, "nor after it has left");
    hear(&mut listed, &ana.says(6, &["10.0.0.2:4000"]));
    assert_eq!(news(&mut listed), [ana.seen(&["10.0.0.2:4000"])], "the last one does");
}

#[test]
fn addresses_that_are_nobodys_or_this_devices_are_dropped() {
    let key = group();
    let (mut listed, ana) = (listed(std::slice::from_ref(&key)), Device::new(&key));
    listed.set_own_addresses(vec!["10.0.0.9:4000".parse().unwrap()]);
    let addresses = [
        "127.0.0.1:4000",
        "10.0.0.2:22",
        "10.0.0.9:4000",
        "10.0.0.9:4001",
        "[fe80::1]:4000",
        "10.0.0.2:4000",
    ];
    hear(&mut listed, &ana.says(1, &addresses));
    assert_eq!(news(&mut listed), [ana.seen(&["10.0.0.9:4001", "10.0.0.2:4000"])]);
    hear(&mut listed, &ana.says(2, &["[::1]:4000"]));
    assert_eq!(news(&mut listed), [ana.seen(&[])], "there, but without an address");
}

#[test]
fn this_device_is_not_told_of_itself() {
    let key = group();
    let ana = Device::new(&key);
    let mut listed = Listed::new(ana.id(), false, Duration::ZERO);
    listed.set_groups(&[key]);
    assert_eq!(hear(&mut listed, &ana.says(1, &["10.0.0.2:4000"])), Heard::Nothing);
}

#[test]
fn who_was_listed_stays_for_a_while_when_the_server_begins_anew() {
    let key = group();
    let (mut listed, ana, mo) =
        (listed(std::slice::from_ref(&key)), Device::new(&key), Device::new(&key));
    for device in [&ana, &mo] {
        hear(&mut listed, &device.says(1, &["10.0.0.2:4000"]));
    }
    news(&mut listed);
    // An empty list, or one that fills only now.
    hear(&mut listed, &RendezvousEvent::Reset);
    assert_eq!(hear(&mut listed, &RendezvousEvent::Ready), Heard::Ready);
    assert_eq!(news(&mut listed), []);
    assert!(listed.sweep_at().is_some_and(|at| at > Instant::now() + Duration::from_secs(30)));
    hear(&mut listed, &mo.says(2, &["10.0.0.2:4000"]));
    assert_eq!(listed.sweep(), [(key.id(), ana.id())]);
    let origin = HintOrigin::Group(key.id());
    assert_eq!(news(&mut listed), [Discovered::PeerGone { id: ana.id(), origin }]);
    assert!(listed.member(key.id(), mo.id()).is_some());
}

#[test]
fn a_group_that_was_left_is_forgotten_and_the_others_stay() {
    let (one, two) = (group(), group());
    let mut listed = listed(&[one.clone(), two.clone()]);
    let (ana, mo) = (Device::new(&one), Device::new(&two));
    hear(&mut listed, &ana.says(1, &["10.0.0.2:4000"]));
    hear(&mut listed, &mo.says(1, &["10.0.0.3:4000"]));
    news(&mut listed);
    listed.set_groups(std::slice::from_ref(&two));
    let origin = HintOrigin::Group(one.id());
    assert_eq!(news(&mut listed), [Discovered::PeerGone { id: ana.id(), origin }]);
    assert!(listed.member(two.id(), mo.id()).is_some());
    assert!(listed.member(one.id(), ana.id()).is_none());
}

#[test]
fn only_listed_members_ring() {
    let key = group();
    let (mut listed, ana) = (listed(std::slice::from_ref(&key)), Device::new(&key));
    let (group, from) = (Digest(*key.id().as_bytes()), Digest(*ana.id().as_bytes()));
    let ring = RendezvousEvent::Ring { group, from };
    assert_eq!(hear(&mut listed, &ring), Heard::Nothing);
    hear(&mut listed, &ana.says(1, &["10.0.0.2:4000"]));
    assert_eq!(hear(&mut listed, &ring), Heard::Ring(key.id(), ana.id()));
}

#[test]
fn an_endless_list_stays_in_bounds() {
    let key = group();
    let mut listed = listed(std::slice::from_ref(&key));
    let devices: Vec<_> = (0..MAX_MEMBERS + 50).map(|_| Device::new(&key)).collect();
    for device in &devices {
        hear(&mut listed, &device.says(1, &["10.0.0.2:4000"]));
    }
    assert_eq!(news(&mut listed).len(), MAX_MEMBERS);
    // Who leaves makes room, and is remembered for as long as there is room for that.
    for device in &devices {
        hear(&mut listed, &device.gone());
    }
    for device in &devices {
        hear(&mut listed, &device.says(2, &["10.0.0.2:4000"]));
        hear(&mut listed, &device.gone());
    }
    let more: Vec<_> = (0..MAX_MEMBERS).map(|_| Device::new(&key)).collect();
    for device in &more {
        hear(&mut listed, &device.says(3, &["10.0.0.2:4000"]));
    }
    let entries = &listed.groups.values().next().unwrap().entries;
    assert!(entries.len() <= MAX_ENTRIES, "{}", entries.len());
    assert!(listed.told.len() <= MAX_ENTRIES);
}
