//! What is announced on the network: a line each, `NAME PORT ADDRESS,ADDRESS KEY=VALUE KEY=VALUE`; a name alone
//! says goodbye.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use manyhands_core::PeerId;
use manyhands_peer::Discovered;
use manyhands_peer::fuzzing::{Announcement, Announcements};

const MAX_ADDRESSES: usize = 16;
const MAX_TOLD: usize = 512;
const LINES: usize = 2000;

fuzz_target!(|bytes: &[u8]| {
    let own = PeerId::from_digest([0; 32]);
    let mut heard = Announcements::new(own);
    let mut said: BTreeMap<PeerId, BTreeSet<SocketAddr>> = BTreeMap::new();
    let mut there = BTreeSet::new();
    for line in bytes.split(|byte| *byte == b'\n').take(LINES) {
        let mut words = line.split(|byte| *byte == b' ');
        let name = String::from_utf8_lossy(words.next().unwrap_or_default());
        match announcement(&name, words) {
            Some(announcement) => {
                for (key, value) in &announcement.txt {
                    let id = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    if let Some(id) = id.filter(|_| key.eq_ignore_ascii_case("id")) {
                        let at = |ip: &IpAddr| SocketAddr::new(*ip, announcement.port);
                        said.entry(id).or_default().extend(announcement.addresses.iter().map(at));
                    }
                }
                heard.resolved(announcement);
            }
            None => heard.removed(&name),
        }
        // Sometimes the listener is slow.
        if line.last() != Some(&b' ') {
            told(&mut heard, own, &said, &mut there);
        }
    }
    told(&mut heard, own, &said, &mut there);
    assert!(there.len() <= MAX_TOLD);
});

fn announcement<'a>(
    name: &str,
    mut words: impl Iterator<Item = &'a [u8]>,
) -> Option<Announcement> {
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let port = text(words.next()?).parse().ok()?;
    let addresses = text(words.next()?).split(',').filter_map(|ip| ip.parse().ok()).collect();
    let txt = words.map(|word| {
        let mut parts = word.splitn(2, |byte| *byte == b'=');
        (text(parts.next().unwrap_or_default()), parts.next().unwrap_or_default().to_vec())
    });
    Some(Announcement { name: name.to_owned(), port, addresses, txt: txt.collect() })
}

fn told(
    heard: &mut Announcements,
    own: PeerId,
    said: &BTreeMap<PeerId, BTreeSet<SocketAddr>>,
    there: &mut BTreeSet<PeerId>,
) {
    while let Some(news) = heard.next_news() {
        match news {
            Discovered::PeerSeen { id, addresses, .. } => {
                assert_ne!(id, own);
                assert!((1..=MAX_ADDRESSES).contains(&addresses.len()));
                assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), addresses.len());
                let announced = said.get(&id).expect("somebody has said its id");
                for address in &addresses {
                    assert!(announced.contains(address), "{address} was not announced for {id}");
                    assert!(is_a_hosts(address.ip()) && address.port() >= 1024, "{address}");
                }
                there.insert(id);
            }
            Discovered::PeerGone { id, .. } => assert!(there.remove(&id), "{id} was never there"),
        }
    }
}

fn is_a_hosts(ip: IpAddr) -> bool {
    let plain = !ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified();
    plain && ip.to_canonical() == ip && ip != IpAddr::from([255; 4])
}
