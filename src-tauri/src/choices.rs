//! What the user orders from outside of the window: by the menu of the tray icon or the buttons of a notification.

use manyhands_engine::view::{Decision, LendingChange};
use manyhands_engine::{Engine, Failure, HelpId};
use tauri::{AppHandle, Manager};

use crate::menu::Choice;
use crate::outside::Outside;
use crate::{shutdown, window};

/// Does what was chosen in the menu.
pub fn chosen(app: &AppHandle, choice: Choice) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Some(engine) = app.try_state::<Engine>()
            && let Err(failure) = carry_out(&app, &engine, choice).await
        {
            tracing::warn!(why = failure.message, "what the menu said was not done");
        }
        if let Some(outside) = app.try_state::<Outside>() {
            outside.shows_marks_anew();
        }
    });
}

async fn carry_out(app: &AppHandle, engine: &Engine, choice: Choice) -> Result<(), Failure> {
    match choice {
        Choice::Show => window::show(app),
        Choice::ShowRequests => window::show_requests(app),
        Choice::Accept(id) => decide(engine, &id, Decision::Help).await?,
        Choice::Decline(id) => decide(engine, &id, Decision::NotNow).await?,
        Choice::Stop(id) => {
            stop(engine, &id).await?;
        }
        Choice::Lending(on) => {
            engine.set_lending(LendingChange { on: Some(on), ..LendingChange::default() }).await?;
        }
        Choice::PauseAll => engine.pause_all().await?,
        Choice::ResumeAll => engine.resume_all().await?,
        Choice::Quit => shutdown::begin(app),
    }
    Ok(())
}

/// Answers a help request; nothing happens when it is over, or when there is no room for one more session.
///
/// # Errors
/// The engine has ended.
pub async fn decide(engine: &Engine, id: &str, decision: Decision) -> Result<(), Failure> {
    if !engine.decide(id, decision).await? {
        tracing::info!(id, "this request is over, or there is no room for one more session");
    }
    Ok(())
}

/// Ends the session that a view calls so. Whether there was one.
///
/// # Errors
/// The engine has ended.
pub async fn stop(engine: &Engine, id: &str) -> Result<bool, Failure> {
    match u128::from_str_radix(id, 16) {
        Ok(id) => engine.stop_helping(HelpId(id)).await,
        Err(_) => Ok(false),
    }
}
