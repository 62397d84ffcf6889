//! A server that leads some requests to a mirror, which the helper has not agreed to.

use manyhands_faultserver::{Fault, Reply};

use super::carried::{Carried, TUNNEL_RATE};
use super::*;
use crate::view::{HelpingRow, RequestRow};

/// Of the first requests every other one is led to the mirror, this device's own first one not.
const LED: usize = 200;

/// An origin that spreads its readers, and a download that a helper has begun to help with.
struct Spread<'a> {
    scene: &'a Carried,
    lin: Requester<'a>,
    id: DownloadId,
    origins: [String; 2],
}

impl<'a> Spread<'a> {
    async fn new(scene: &'a Carried, mirror: &FaultServer) -> Self {
        let behind = scene.authority.in_front_of(mirror, Fault::None).await;
        let there = format!("https://localhost:{}", behind.port());
        let redirect = [Reply::to(format!("{there}/file.bin")), Reply::Serve];
        let mut script = vec![Reply::Serve];
        script.extend(redirect.into_iter().cycle().take(LED));
        scene.world.server.set(Behaviour { script, ..carried() });
        let lin = scene.requester("lin").await;
        let id = scene.get(&lin).await;
        let first = scene.world.until("asked", |together| !together.requests.is_empty()).await;
        let [RequestRow { id: request, origins, .. }] = &first.requests[..] else { panic!() };
        let [here] = &origins[..] else { panic!("{origins:?}") };
        assert!(scene.world.helper.decide(request, Decision::Help).await.unwrap());
        Self { origins: [here.clone(), there], scene, lin, id }
    }

    /// The prompt that names the mirror, too.
    async fn second_prompt(&self) -> RequestRow {
        let asked = |together: &Together| !together.requests.is_empty();
        let together = self.scene.world.until("asked again", asked).await;
        let [HelpingRow { origins, .. }] = &together.helping[..] else { panic!("{together:#?}") };
        assert_eq!(origins[..], self.origins[..1], "what was agreed goes on");
        assert_eq!(together.requests[0].origins, self.origins);
        together.requests[0].clone()
    }

    /// The helper goes on helping, and brings something.
    async fn goes_on(&self) {
        let brought = |row: &DownloadRow| row.sources.get(1).map_or(0, |source| source.bytes);
        let before = brought(&self.lin.engine.row(self.id).await.unwrap().unwrap());
        let more = before + 4 * TUNNEL_RATE;
        let row = self.lin.until(self.id, |row| brought(row) >= more).await;
        assert_eq!(row.help.len(), 1);
        assert_eq!((row.help[0].state, row.help[0].reason), (HelpState::Accepted, None));
    }
}

fn carried() -> Behaviour {
    Behaviour { rate_per_connection: Some(TUNNEL_RATE), ..slow() }
}

#[tokio::test]
async fn a_helper_goes_on_while_it_is_asked_again_and_then_reaches_the_mirror_too() {
    let (scene, mirror) = (Carried::new(AcceptRule::Ask).await, FaultServer::start(carried()));
    let spread = Spread::new(&scene, &mirror).await;
    let prompt = spread.second_prompt().await;
    spread.goes_on().await;
    // From now on whatever is asked for leads to the mirror.
    let to_mirror = Reply::to(format!("{}/file.bin", spread.origins[1]));
    let paths = [("/file.bin".to_owned(), to_mirror)].into();
    scene.world.server.set(Behaviour { paths, ..carried() });
    assert!(scene.world.helper.decide(&prompt.id, Decision::Help).await.unwrap());
    let replaced = |together: &Together| {
        together.helping.len() == 1 && together.helping[0].origins == spread.origins
    };
    scene.world.until("one session, the new one", replaced).await;
    spread.goes_on().await;
    assert!(scene.world.together().await.requests.is_empty());
    mirror.set(fast());
    spread.lin.completes(spread.id).await;
}

#[tokio::test]
async fn a_helper_that_does_not_want_the_mirror_goes_on_and_is_asked_no_more() {
    let (scene, mirror) = (Carried::new(AcceptRule::Ask).await, FaultServer::start(carried()));
    let spread = Spread::new(&scene, &mirror).await;
    let prompt = spread.second_prompt().await;
    assert!(scene.world.helper.decide(&prompt.id, Decision::NotNow).await.unwrap());
    for _ in 0..3 {
        spread.goes_on().await;
        let together = scene.world.together().await;
        assert!(together.requests.is_empty(), "{:#?}", together.requests);
        assert_eq!(together.helping[0].origins[..], spread.origins[..1]);
    }
    mirror.set(fast());
    spread.lin.completes(spread.id).await;
}
