//! What the page can ask. Each command hands on to the engine and says nothing of its own.

use std::path::Path;

use manyhands_engine::view::{
    Decision, FailureView, InviteView, LendingChange, Query, RuleTerms, ServerFound, View, Welcome,
};
use manyhands_engine::{
    AskFor, DownloadId, Engine, Failure, FailureCode, GroupId, Meeting, NewDownload, PeerId,
};
use tauri::ipc::Channel;
use tauri::{AppHandle, State, WebviewWindow};
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;

use crate::brought::Brought;
use crate::news::{News, Page};
use crate::outside::Outside;
use crate::words::Language;
use crate::{choices, folder, shutdown};

type Answer<T> = Result<T, FailureView>;

#[tauri::command]
pub async fn view(engine: State<'_, Engine>, page: State<'_, Page>, query: Query) -> Answer<View> {
    page.lives();
    Ok(engine.view(query).await?)
}

#[tauri::command]
pub async fn add(engine: State<'_, Engine>, download: NewDownload) -> Answer<DownloadId> {
    Ok(engine.add(&download).await?)
}

#[tauri::command]
pub async fn pause(engine: State<'_, Engine>, id: DownloadId) -> Answer<()> {
    Ok(engine.pause(id).await?)
}

#[tauri::command]
pub async fn resume(engine: State<'_, Engine>, id: DownloadId) -> Answer<()> {
    Ok(engine.resume(id).await?)
}

#[tauri::command]
pub async fn remove(engine: State<'_, Engine>, id: DownloadId) -> Answer<()> {
    Ok(engine.remove(id).await?)
}

#[tauri::command]
pub async fn pause_all(engine: State<'_, Engine>) -> Answer<()> {
    Ok(engine.pause_all().await?)
}

#[tauri::command]
pub async fn resume_all(engine: State<'_, Engine>) -> Answer<()> {
    Ok(engine.resume_all().await?)
}

#[tauri::command]
pub async fn welcome(engine: State<'_, Engine>) -> Answer<Welcome> {
    Ok(engine.welcome())
}

/// Tells the page the news from now on; of changes at most ten times a second.
#[tauri::command]
pub async fn watch(
    engine: State<'_, Engine>,
    page: State<'_, Page>,
    news: Channel<News>,
) -> Answer<()> {
    page.listens(&engine, news);
    Ok(())
}

/// Asks others for help with a download; nothing waits for their answers.
#[tauri::command]
pub async fn ask(engine: State<'_, Engine>, id: DownloadId, ask: AskFor) -> Answer<()> {
    Ok(engine.ask_for_help(id, &ask).await?)
}

/// Answers a help request. Whether that was possible: it still waited for an answer and, for a yes, there was room for one more
/// session.
#[tauri::command]
pub async fn decide(engine: State<'_, Engine>, id: String, decision: Decision) -> Answer<bool> {
    Ok(engine.decide(&id, decision).await?)
}

/// Always helps a peer, on these terms.
#[tauri::command]
pub async fn set_rule(engine: State<'_, Engine>, peer: PeerId, terms: RuleTerms) -> Answer<()> {
    Ok(engine.set_rule(peer, terms).await?)
}

#[tauri::command]
pub async fn remove_rule(engine: State<'_, Engine>, peer: PeerId) -> Answer<()> {
    Ok(engine.remove_rule(peer).await.map(drop)?)
}

/// Hears no more of a device.
#[tauri::command]
pub async fn block(engine: State<'_, Engine>, peer: PeerId) -> Answer<()> {
    Ok(engine.block(peer).await?)
}

#[tauri::command]
pub async fn unblock(engine: State<'_, Engine>, peer: PeerId) -> Answer<()> {
    Ok(engine.unblock(peer).await.map(drop)?)
}

/// Makes a friend a stranger again.
#[tauri::command]
pub async fn remove_friend(engine: State<'_, Engine>, peer: PeerId) -> Answer<()> {
    Ok(engine.remove_friend(peer).await.map(drop)?)
}

/// The whole list of hosts that are never lent for.
#[tauri::command]
pub async fn set_never_hosts(engine: State<'_, Engine>, hosts: Vec<String>) -> Answer<()> {
    Ok(engine.set_never_hosts(hosts).await?)
}

/// Begins to pair with a device, by its id or its address; says what the pairing is called.
#[tauri::command]
pub async fn pair(engine: State<'_, Engine>, who: String) -> Answer<String> {
    Ok(engine.pair(&who).await?)
}

/// Whether the digits on both screens are the same. Whether that could still be said.
#[tauri::command]
pub async fn answer_pairing(engine: State<'_, Engine>, id: String, same: bool) -> Answer<bool> {
    Ok(engine.answer_pairing(&id, same).await?)
}

/// Ends a session in which this device helps. Whether there was one.
#[tauri::command]
pub async fn stop_helping(engine: State<'_, Engine>, id: String) -> Answer<bool> {
    Ok(choices::stop(&engine, &id).await?)
}

/// Changes how others are helped, and only what is named: the page may show what is no longer so.
#[tauri::command]
pub async fn set_lending(engine: State<'_, Engine>, change: LendingChange) -> Answer<()> {
    Ok(engine.set_lending(change).await?)
}

/// What a rendezvous server says of itself, before it is trusted.
#[tauri::command]
pub async fn look_at_server(engine: State<'_, Engine>, address: String) -> Answer<ServerFound> {
    Ok(engine.look_at_server(&address).await?)
}

/// Makes a group at a server whose id the user has compared; says what the group's id is.
#[tauri::command]
pub async fn create_group(
    engine: State<'_, Engine>,
    server: ServerFound,
    name: String,
) -> Answer<String> {
    Ok(engine.create_group(&server, &name).await?)
}

#[tauri::command]
pub async fn join_group(engine: State<'_, Engine>, invite: String) -> Answer<String> {
    Ok(engine.join_group(&invite).await?)
}

#[tauri::command]
pub async fn leave_group(engine: State<'_, Engine>, group: GroupId) -> Answer<()> {
    Ok(engine.leave_group(group).await.map(drop)?)
}

/// A group's invite, which is a secret.
#[tauri::command]
pub async fn invite(engine: State<'_, Engine>, group: GroupId) -> Answer<InviteView> {
    Ok(engine.invite(group).await?)
}

/// Makes a new secret for a group: whoever has only the old invite is out. Says what the group's id is now.
#[tauri::command]
pub async fn rotate_group(engine: State<'_, Engine>, group: GroupId) -> Answer<String> {
    Ok(engine.rotate_group(group).await?)
}

/// How others are found.
#[tauri::command]
pub async fn set_meeting(engine: State<'_, Engine>, meeting: Meeting) -> Answer<()> {
    Ok(engine.set_meeting(meeting).await?)
}

/// The link that the program was opened with; once.
#[tauri::command]
pub async fn take_link(brought: State<'_, Brought>) -> Answer<Option<String>> {
    Ok(brought.take())
}

/// The language of what is shown outside of the page.
#[tauri::command]
pub async fn speak(outside: State<'_, Outside>, language: Language) -> Answer<()> {
    outside.speaks(language);
    Ok(())
}

/// Ends the program in order.
#[tauri::command]
pub async fn quit(app: AppHandle) -> Answer<()> {
    shutdown::begin(&app);
    Ok(())
}

/// Shows a finished file in the system's file manager. The page names the download, never a path.
#[tauri::command]
pub async fn open_folder(engine: State<'_, Engine>, id: DownloadId) -> Answer<()> {
    let path = engine.row(id).await?.and_then(|row| row.path);
    let path = path.ok_or_else(|| cannot("there is no finished file"))?;
    folder::show(Path::new(&path)).await.map_err(|error| cannot(&error.to_string()).into())
}

/// The system's dialog for folders; nothing when it was cancelled.
#[tauri::command]
pub async fn pick_folder(window: WebviewWindow, from: String) -> Answer<Option<String>> {
    let (answer, answered) = oneshot::channel();
    let mut dialog = window.dialog().file().set_parent(&window);
    if Path::new(&from).is_dir() {
        dialog = dialog.set_directory(from);
    }
    dialog.pick_folder(move |picked| {
        // Nobody waits any more when the program ends meanwhile.
        let _ = answer.send(picked);
    });
    let picked = answered.await.ok().flatten();
    Ok(picked
        .and_then(|path| path.into_path().ok())
        .map(|path| path.to_string_lossy().into_owned()))
}

fn cannot(why: &str) -> Failure {
    Failure::new(FailureCode::Internal, format!("The folder cannot be shown: {why}."))
}
