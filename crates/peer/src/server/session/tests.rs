#![allow(clippy::unwrap_used, clippy::panic)]

use manyhands_wire::{List, OriginName};
use url::Url;

use super::*;

/// An accepted session of this mode.
async fn accepted(mode: Mode) -> (Arc<Sessions>, Arc<Session>) {
    let (sender, mut incoming) = mpsc::channel(8);
    let sessions = Arc::new(Sessions::new(ServerWaits::default(), sender));
    let origin = OriginName::of(&Url::parse("https://example.org/").unwrap()).unwrap();
    let request = HelpRequest {
        name: Default::default(),
        mode,
        origins: List::new(vec![origin]).unwrap(),
        size_bytes: None,
        budget_bytes: 1000,
        file_name: None,
    };
    let peer = PeerId::from_digest([1; 32]);
    let session = sessions.ask(peer, IpAddr::from([10, 0, 0, 1]), request).unwrap();
    let Some(Incoming::HelpRequest(help)) = incoming.recv().await else { panic!() };
    help.answer.send(HelpAnswer::Accept { budget_bytes: 1000 }).unwrap();
    let mut progress = session.progress.subscribe();
    progress.wait_for(|now| matches!(now.state, HelpState::Accepted { .. })).await.unwrap();
    (sessions, session)
}

#[tokio::test(start_paused = true)]
async fn sixty_tunnels_a_minute_are_opened_however_they_are_spread() {
    let (sessions, session) = accepted(Mode::Relay).await;
    let open = || session.open_stream(&sessions, &CancellationToken::new());
    let wait = |refused: Result<Stream, Problem>| {
        let problem = refused.unwrap_err();
        assert_eq!(problem.code(), Some(ProblemCode::TooMany));
        problem.retry_after_ms.map(Duration::from_millis)
    };
    // One a second, from second 0 to 29; then thirty at once.
    for _ in 0..30 {
        drop(open().unwrap());
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    for _ in 0..30 {
        drop(open().unwrap());
    }
    assert_eq!(wait(open()), Some(Duration::from_secs(30)));
    tokio::time::advance(Duration::from_millis(29_999)).await;
    assert_eq!(wait(open()), Some(Duration::from_millis(1)));
    tokio::time::advance(Duration::from_millis(1)).await;
    drop(open().unwrap());
    assert_eq!(wait(open()), Some(Duration::from_secs(1)));
    // Those that are refused do not count.
    tokio::time::advance(Duration::from_secs(60)).await;
    let held: Vec<_> = (0..8).map(|_| open().unwrap()).collect();
    for _ in 0..100 {
        assert_eq!(wait(open()), None, "eight at a time");
    }
    drop(held);
    for _ in 0..52 {
        drop(open().unwrap());
    }
    assert_eq!(wait(open()), Some(Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn streams_of_fetch_mode_may_be_opened_as_often_as_one_likes() {
    let (sessions, session) = accepted(Mode::Fetch).await;
    let open = || session.open_stream(&sessions, &CancellationToken::new());
    for _ in 0..1000 {
        drop(open().unwrap());
    }
    let held: Vec<_> = (0..4).map(|_| open().unwrap()).collect();
    assert!(open().is_err());
    drop(held);
}
