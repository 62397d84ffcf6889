//! What decisions change, and what bounds them.

use super::*;

fn peer(n: u16) -> PeerId {
    let [high, low] = n.to_be_bytes();
    PeerId::from_digest(std::array::from_fn(|i| if i % 2 == 0 { high } else { low }))
}

fn apply(known: &mut Known, change: &Change) -> Result<Vec<Op>, Failure> {
    let name = |peer| stranger(peer, "Mo".to_owned());
    let before = Before {
        friends: &known.friends,
        blocked: &known.blocked,
        groups: &known.groups,
        settings: &Settings::default(),
        insecure_http: false,
    };
    let ops = change.ops(before, name)?;
    known.learn(&ops);
    Ok(ops)
}

fn rules(known: &Known) -> Vec<RuleTerms> {
    let rows = rule_rows(&known.friends, |friend| friend.name.clone(), |_| 0);
    rows.into_iter().map(|row| row.terms).collect()
}

const TERMS: RuleTerms = RuleTerms { daily_bytes: 5, bytes_per_s: 0, hours: None };

#[test]
fn a_rule_makes_a_friend_and_blocking_takes_both_away() {
    let (mut known, peer) = (Known::default(), peer(1));
    let set = Change::SetRule { peer, terms: TERMS };
    assert_eq!(apply(&mut known, &set).unwrap().len(), 1);
    assert_eq!(apply(&mut known, &set).unwrap(), [], "it is so already");
    assert_eq!(rules(&known), [TERMS]);
    assert_eq!(known.friends[&peer].name, "Mo");
    apply(&mut known, &Change::Block { peer }).unwrap();
    assert!(known.friends.is_empty());
    assert_eq!(known.blocked[&peer].name, "Mo");
    assert_eq!(apply(&mut known, &Change::Block { peer }).unwrap(), []);
    assert_eq!(apply(&mut known, &set).unwrap_err().code, FailureCode::Blocked);
    apply(&mut known, &Change::Unblock { peer }).unwrap();
    assert!(known.blocked.is_empty() && known.friends.is_empty(), "a stranger again");
}

#[test]
fn a_friend_without_its_rule_is_still_a_friend_and_removed_has_neither() {
    let (mut known, peer) = (Known::default(), peer(1));
    let set = Change::SetRule { peer, terms: TERMS };
    apply(&mut known, &set).unwrap();
    apply(&mut known, &Change::RemoveRule { peer }).unwrap();
    assert_eq!((known.friends.len(), rules(&known).len()), (1, 0));
    assert_eq!(apply(&mut known, &Change::RemoveRule { peer }).unwrap(), []);
    apply(&mut known, &set).unwrap();
    apply(&mut known, &Change::RemoveFriend { peer }).unwrap();
    assert!(known.friends.is_empty());
    assert_eq!(apply(&mut known, &Change::RemoveFriend { peer }).unwrap(), []);
}

#[test]
fn rules_and_blocked_devices_are_bounded() {
    let mut known = Known::default();
    for n in 0..MAX_RULES as u16 {
        apply(&mut known, &Change::SetRule { peer: peer(n), terms: TERMS }).unwrap();
    }
    let more = Change::SetRule { peer: peer(9999), terms: TERMS };
    assert_eq!(apply(&mut known, &more).unwrap_err().code, FailureCode::TooMany);
    let other = RuleTerms { daily_bytes: 6, ..TERMS };
    apply(&mut known, &Change::SetRule { peer: peer(3), terms: other }).unwrap();
    for n in 0..MAX_BLOCKED as u16 {
        apply(&mut known, &Change::Block { peer: peer(n) }).unwrap();
    }
    let more = Change::Block { peer: peer(9999) };
    assert_eq!(apply(&mut known, &more).unwrap_err().code, FailureCode::TooMany);
}

fn invite(n: u8, server: &str, name: &str) -> Box<Invite> {
    let digest = manyhands_peer::wire::Digest([9; 32]);
    Box::new(Invite {
        server: manyhands_peer::wire::ServerAddress::new(server, digest, false).unwrap(),
        secret: [n; 16],
        name: manyhands_peer::wire::GroupName::neutralised(name),
    })
}

fn joining(n: u8, server: &str, name: &str) -> Change {
    Change::JoinGroup { invite: invite(n, server, name), founder: false }
}

#[test]
fn joining_twice_changes_nothing_and_a_new_invite_of_the_same_group_replaces_the_old_one() {
    let mut known = Known::default();
    let join = joining(1, "https://a.example", "Dorm 7");
    assert_eq!(apply(&mut known, &join).unwrap().len(), 1);
    assert_eq!(apply(&mut known, &join).unwrap(), [], "it is so already");
    let (id, before) = known.groups.first_key_value().unwrap();
    let (id, before) = (*id, before.clone());
    apply(&mut known, &joining(1, "https://b.example", "")).unwrap();
    assert_eq!(known.groups.len(), 1);
    let after = &known.groups[&id];
    assert_eq!((&after.name, after.joined_unix_ms), (&before.name, before.joined_unix_ms));
    assert!(after.invite.contains("b.example") && before.invite.contains("a.example"));
    apply(&mut known, &Change::LeaveGroup { group: id }).unwrap();
    assert!(known.groups.is_empty());
    assert_eq!(apply(&mut known, &Change::LeaveGroup { group: id }).unwrap(), []);
}

#[test]
fn a_group_with_a_new_secret_takes_the_place_of_the_old_one_alone() {
    let mut known = Known::default();
    apply(&mut known, &joining(1, "https://a.example", "Dorm 7")).unwrap();
    let group = *known.groups.first_key_value().unwrap().0;
    for n in 2..=MAX_GROUPS as u8 {
        apply(&mut known, &joining(n, "https://a.example", "x")).unwrap();
    }
    let more = apply(&mut known, &joining(99, "https://a.example", "x")).unwrap_err();
    assert_eq!(more.code, FailureCode::TooMany);
    let rotate = Change::RotateGroup { group, invite: invite(99, "https://a.example", "Dorm 7") };
    apply(&mut known, &rotate).unwrap();
    assert_eq!(known.groups.len(), MAX_GROUPS);
    assert!(!known.groups.contains_key(&group));
    assert!(known.groups.values().any(|group| group.name == "Dorm 7" && group.founder));
    assert_eq!(apply(&mut known, &rotate).unwrap_err().code, FailureCode::NoGroup);
}

#[test]
fn a_server_without_encryption_is_refused_and_a_nameless_group_is_called_by_its_id() {
    let mut known = Known::default();
    let plain = apply(&mut known, &joining(1, "http://a.example", "x")).unwrap_err();
    assert_eq!(plain.code, FailureCode::PlainHttp);
    assert!(known.groups.is_empty());
    apply(&mut known, &joining(1, "https://a.example", "")).unwrap();
    let (id, group) = known.groups.first_key_value().unwrap();
    assert_eq!(group.name, id.short());
}

#[test]
fn a_decision_about_a_group_travels_as_text_and_is_not_shown_with_its_secret() {
    let change = joining(7, "https://a.example", "Dorm 7");
    let text = serde_json::to_string(&change).unwrap();
    assert!(text.contains("BwcHBwcHBwcHBwcHBwcHBw"), "{text}");
    assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change);
    assert!(!format!("{change:?}").contains("BwcHBw"), "{change:?}");
}

#[test]
fn a_bad_host_is_named_and_the_list_stays() {
    let hosts = vec!["good.example".to_owned(), "https://bad".to_owned()];
    let failure = apply(&mut Known::default(), &Change::SetNeverHosts { hosts }).unwrap_err();
    assert_eq!(failure.code, FailureCode::NoHost);
    assert!(failure.message.contains("https://bad"), "{failure}");
}
